//! The signaling program: transports, one decision thread, stores, media client, API.
