//! A SIP and RTP user agent for voipctl, the probe and the end-to-end tests.
