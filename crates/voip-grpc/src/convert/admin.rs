//! What the operator orders and what a program reports to it.

use voip_contract::admin::{MediaNodeStatus, NodeState};
use voip_contract::node_admin::{MAX_FOREIGN_PORTS, NodeOrder, NodeReport, Role, Service};
use voip_contract::{Epoch, Incarnation};

use super::{FromWire, Malformed, ToWire, port};
use crate::generated::admin as pb;

/// Longest name in a report, in bytes: that of a Kubernetes object.
const MAX_NAME_BYTES: usize = 253;
/// Most documents and most mistakes in them that a report may name.
const MAX_DOCUMENTS: usize = 64;
/// Most media-nodes that a sip-node may know.
const MAX_MEDIA_NODES: usize = 10_000;

impl ToWire for NodeOrder {
    type Wire = pb::NodeOrder;

    fn to_wire(self) -> pb::NodeOrder {
        use pb::node_order::Order;
        let order = match self {
            Self::Drain { epoch, seconds } => Order::Drain(pb::Drain { epoch: epoch.0, seconds }),
            Self::Return { epoch } => Order::Return(pb::Return { epoch: epoch.0 }),
        };
        pb::NodeOrder { order: Some(order) }
    }
}

impl FromWire for NodeOrder {
    type Wire = pb::NodeOrder;

    fn from_wire(wire: pb::NodeOrder) -> Result<Self, Malformed> {
        use pb::node_order::Order;
        Ok(match wire.order.ok_or(Malformed("order"))? {
            Order::Drain(drain) => Self::Drain { epoch: Epoch(drain.epoch), seconds: drain.seconds },
            Order::Return(back) => Self::Return { epoch: Epoch(back.epoch) },
        })
    }
}

impl ToWire for NodeReport {
    type Wire = pb::NodeReport;

    fn to_wire(self) -> pb::NodeReport {
        let ephemeral = |(first, last): (u16, u16)| pb::PortRange { first: first.into(), last: last.into() };
        pb::NodeReport {
            role: role_to_wire(self.role).into(),
            name: self.name,
            incarnation: self.incarnation.0,
            version: self.version,
            service: service_to_wire(self.service).into(),
            calls: self.calls,
            registrations: self.registrations,
            documents: self.documents,
            rejected: self.rejected,
            foreign_ports: self.foreign_ports.into_iter().map(u32::from).collect(),
            ephemeral_ports: self.ephemeral_ports.map(ephemeral),
            media_nodes: self.media_nodes.into_iter().map(ToWire::to_wire).collect(),
        }
    }
}

impl FromWire for NodeReport {
    type Wire = pb::NodeReport;

    fn from_wire(wire: pb::NodeReport) -> Result<Self, Malformed> {
        let role = role_from_wire(wire.role())?;
        let service = service_from_wire(wire.service())?;
        let ephemeral = |range: pb::PortRange| Ok((port(range.first)?, port(range.last)?));
        at_most(MAX_NAME_BYTES, wire.name.len(), "name")?;
        at_most(MAX_NAME_BYTES, wire.version.len(), "version")?;
        at_most(MAX_DOCUMENTS, wire.documents.len(), "documents")?;
        at_most(MAX_DOCUMENTS, wire.rejected.len(), "rejected")?;
        at_most(MAX_FOREIGN_PORTS, wire.foreign_ports.len(), "foreign_ports")?;
        at_most(MAX_MEDIA_NODES, wire.media_nodes.len(), "media_nodes")?;
        Ok(Self {
            role,
            name: wire.name,
            incarnation: Incarnation(wire.incarnation),
            version: wire.version,
            service,
            calls: wire.calls,
            registrations: wire.registrations,
            documents: wire.documents,
            rejected: wire.rejected,
            foreign_ports: wire.foreign_ports.into_iter().map(port).collect::<Result<_, _>>()?,
            ephemeral_ports: wire.ephemeral_ports.map(ephemeral).transpose()?,
            media_nodes: wire.media_nodes.into_iter().map(FromWire::from_wire).collect::<Result<_, _>>()?,
        })
    }
}

impl ToWire for MediaNodeStatus {
    type Wire = pb::MediaNodeStatus;

    fn to_wire(self) -> pb::MediaNodeStatus {
        let state = match self.state {
            NodeState::Ready => pb::NodeState::Ready,
            NodeState::Draining => pb::NodeState::Draining,
            NodeState::Lost => pb::NodeState::Lost,
        };
        pb::MediaNodeStatus {
            name: self.name,
            state: state.into(),
            ports: self.ports,
            ports_in_use: self.ports_in_use,
            sessions: self.sessions,
            capacity: self.capacity,
        }
    }
}

impl FromWire for MediaNodeStatus {
    type Wire = pb::MediaNodeStatus;

    fn from_wire(wire: pb::MediaNodeStatus) -> Result<Self, Malformed> {
        let state = match wire.state() {
            pb::NodeState::Unspecified => return Err(Malformed("media_nodes.state")),
            pb::NodeState::Ready => NodeState::Ready,
            pb::NodeState::Draining => NodeState::Draining,
            pb::NodeState::Lost => NodeState::Lost,
        };
        at_most(MAX_NAME_BYTES, wire.name.len(), "media_nodes.name")?;
        at_most(MAX_NAME_BYTES, wire.ports.len(), "media_nodes.ports")?;
        Ok(Self {
            name: wire.name,
            state,
            ports: wire.ports,
            ports_in_use: wire.ports_in_use,
            sessions: wire.sessions,
            capacity: wire.capacity,
        })
    }
}

fn role_to_wire(role: Role) -> pb::Role {
    match role {
        Role::Operator => pb::Role::Operator,
        Role::SipNode => pb::Role::SipNode,
        Role::MediaNode => pb::Role::MediaNode,
    }
}

fn role_from_wire(role: pb::Role) -> Result<Role, Malformed> {
    match role {
        pb::Role::Unspecified => Err(Malformed("role")),
        pb::Role::Operator => Ok(Role::Operator),
        pb::Role::SipNode => Ok(Role::SipNode),
        pb::Role::MediaNode => Ok(Role::MediaNode),
    }
}

fn service_to_wire(service: Service) -> pb::Service {
    match service {
        Service::Serving => pb::Service::Serving,
        Service::Draining => pb::Service::Draining,
        Service::Drained => pb::Service::Drained,
    }
}

fn service_from_wire(service: pb::Service) -> Result<Service, Malformed> {
    match service {
        pb::Service::Unspecified => Err(Malformed("service")),
        pb::Service::Serving => Ok(Service::Serving),
        pb::Service::Draining => Ok(Service::Draining),
        pb::Service::Drained => Ok(Service::Drained),
    }
}

fn at_most(limit: usize, length: usize, field: &'static str) -> Result<(), Malformed> {
    if length > limit { Err(Malformed(field)) } else { Ok(()) }
}
