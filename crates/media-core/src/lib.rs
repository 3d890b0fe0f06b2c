//! SDP offer/answer, RTP, RTCP and port pools, without IO or clock.
