//! Bounded queues to the decision thread, each with a wake-up.

use call_core::event::AdminOrder;
use call_core::state::AddressOfRecord;
use tokio::sync::{mpsc, oneshot};
use voip_contract::admin::CallsReport;

use crate::config::Loaded;
use crate::media::MediaInput;
use crate::transport::{Sleeper, Waker, wake_pair};

/// Messages of media-nodes that wait: their streams are read no further meanwhile.
const MEDIA: usize = 1_024;
/// Documents and orders that wait.
const CONTROL: usize = 16;

/// From inside the process.
#[derive(Debug)]
pub(crate) enum Control {
    /// New documents.
    Config(Loaded),
    /// An order for the switch.
    Admin(AdminOrder),
    /// A question: how many contacts has this user?
    Contacts(AddressOfRecord, oneshot::Sender<u32>),
    /// A question: which calls are there?
    Calls(oneshot::Sender<CallsReport>),
    /// End the thread.
    Stop,
}

/// The sending end of a queue; waits for room, so it is not for the decision thread.
#[derive(Debug)]
pub(crate) struct Post<T> {
    queue: mpsc::Sender<T>,
    waker: Waker,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), waker: self.waker.clone() }
    }
}

impl<T> Post<T> {
    /// Puts `message` as soon as there is room; false when the decision thread has ended.
    pub(crate) async fn put(&self, message: T) -> bool {
        let put = self.queue.send(message).await.is_ok();
        self.waker.wake();
        put
    }
}

/// The decision thread's end of all queues.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(super) media: mpsc::Receiver<MediaInput>,
    pub(super) control: mpsc::Receiver<Control>,
    pub(super) sleeper: Sleeper,
}

impl Inbox {
    /// Whether nothing waits in any queue.
    pub(super) fn is_empty(&self) -> bool {
        self.media.is_empty() && self.control.is_empty()
    }
}

/// The sending ends.
#[derive(Debug, Clone)]
pub(crate) struct Posts {
    /// From media-nodes.
    pub(crate) media: Post<MediaInput>,
    /// From everybody else.
    pub(crate) control: Post<Control>,
}

/// Makes the queues.
pub(crate) fn inbox() -> std::io::Result<(Posts, Inbox)> {
    let (waker, sleeper) = wake_pair()?;
    let (media, media_inputs) = mpsc::channel(MEDIA);
    let (control, orders) = mpsc::channel(CONTROL);
    let posts =
        Posts { media: Post { queue: media, waker: waker.clone() }, control: Post { queue: control, waker } };
    Ok((posts, Inbox { media: media_inputs, control: orders, sleeper }))
}
