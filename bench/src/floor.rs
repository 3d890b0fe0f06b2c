//! The cheapest relay there can be with a socket per port: connected sockets, one epoll loop, no look at the packet.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::event::epoll;

use crate::phones::Phones;
use crate::process::{Relay, pin_to};

/// Starts this program again as the floor and tells it the phones.
pub(crate) fn start(phones: &Phones) -> Result<Relay> {
    pin_to(0)?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("floor")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the floor")?;
    let mut input = child.stdin.take().context("its input")?;
    for phone in &phones.sockets {
        writeln!(input, "{}", phone.local_addr()?)?;
    }
    drop(input);
    let output = std::io::BufReader::new(child.stdout.take().context("its output")?);
    let ports =
        output.lines().take(phones.sockets.len()).map(|line| Ok(line?.parse()?)).collect::<Result<_>>()?;
    Ok(Relay { child, ports, keep: None })
}

/// Reads one phone per line, prints the port for each, then relays between each two for ever.
pub(crate) fn run() -> Result<()> {
    let mut sockets = Vec::new();
    for line in std::io::stdin().lines() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(line?.parse::<SocketAddr>()?)?;
        socket.set_nonblocking(true)?;
        println!("{}", socket.local_addr()?);
        sockets.push(socket);
    }
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, socket) in sockets.iter().enumerate() {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }
    let mut ready = Vec::with_capacity(512);
    let mut packet = [0; 2048];
    loop {
        ready.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), None)?;
        for event in &ready {
            let index = usize::try_from(event.data.u64())?;
            if let Ok(bytes) = sockets[index].recv(&mut packet) {
                let _ = sockets[index ^ 1].send(&packet[..bytes]);
            }
        }
    }
}
