//! What the other side of a stream sends, checked.

use tokio_stream::StreamExt;
use tonic::Streaming;
use voip_contract::media::{FromMediaNode, ToMediaNode};
use voip_contract::node_admin::{NodeOrder, NodeReport};

use crate::GrpcError;
use crate::convert::FromWire;
use crate::generated::{admin, media};

/// What the other side sends.
pub struct Inbound<T: Received> {
    stream: Streaming<T::Wire>,
}

/// A message that can come in.
pub trait Received: private::Sealed {
    #[doc(hidden)]
    type Wire;
    #[doc(hidden)]
    fn received(wire: Self::Wire) -> Result<Self, GrpcError>
    where
        Self: Sized;
}

mod private {
    pub trait Sealed {}
}

macro_rules! received {
    ($message:ty, $wire:ty) => {
        impl private::Sealed for $message {}

        impl Received for $message {
            type Wire = $wire;

            fn received(wire: Self::Wire) -> Result<Self, GrpcError> {
                Ok(Self::from_wire(wire)?)
            }
        }
    };
}

received!(FromMediaNode, media::FromMediaNode);
received!(ToMediaNode, media::ToMediaNode);
received!(NodeOrder, admin::NodeOrder);
received!(NodeReport, admin::NodeReport);

impl<T: Received> Inbound<T> {
    pub(crate) fn new(stream: Streaming<T::Wire>) -> Self {
        Self { stream }
    }

    /// The next message; none when the other side has closed the stream in good order. After an error nothing more
    /// comes that could be relied on: drop the stream.
    pub async fn next(&mut self) -> Option<Result<T, GrpcError>> {
        match self.stream.next().await? {
            Ok(wire) => Some(T::received(wire)),
            Err(status) => Some(Err(status.into())),
        }
    }
}
