//! SIP messages, transactions, dialogs and digest, without IO, clock or randomness.
