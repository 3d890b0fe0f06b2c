//! Bodies in the shape in which phones and gateways write them, in our own words.

/// A desktop softphone with many codecs, AVPF and a video line.
pub(crate) const SOFTPHONE_OFFER: &str = "v=0\r
o=alice 2731 991 IN IP4 192.0.2.10\r
s=Talk\r
c=IN IP4 192.0.2.10\r
t=0 0\r
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r
a=record:off\r
m=audio 7078 RTP/AVPF 96 0 8 101\r
a=rtpmap:96 opus/48000/2\r
a=fmtp:96 useinbandfec=1\r
a=rtpmap:101 telephone-event/8000\r
a=rtcp-fb:* trr-int 5000\r
a=rtcp-fb:* ccm tmmbr\r
m=video 9078 RTP/AVPF 97\r
a=rtpmap:97 VP8/90000\r
a=rtcp-fb:97 nack pli\r
";

/// A mobile app behind a NAT: private address, ICE left-overs, an own attribute, RTCP named.
pub(crate) const NATTED_OFFER: &str = "v=0\r
o=Z 0 55120033 IN IP4 10.1.2.3\r
s=Z\r
c=IN IP4 10.1.2.3\r
t=0 0\r
m=audio 8000 RTP/AVP 8 0 3 101\r
a=rtcp:8010 IN IP4 10.1.2.3\r
a=ice-ufrag:Hx2q\r
a=ice-pwd:c9dQa77e0123456789abcd\r
a=candidate:1 1 UDP 2130706431 10.1.2.3 8000 typ host\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=X-app-version:5.6\r
a=sendrecv\r
";

/// A PBX: no rtpmap left out, ptime and maxptime, bare line feeds.
pub(crate) const PBX_ANSWER: &str = "v=0
o=- 1690000001 2 IN IP4 192.0.2.20
s=Exchange
c=IN IP4 192.0.2.20
t=0 0
m=audio 18124 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:150
a=sendrecv
";

/// A browser: everything encrypted and bundled.
pub(crate) const BROWSER_OFFER: &str = "v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
a=msid-semantic: WMS *\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:4ZcD\r
a=ice-pwd:2/1muCWoOi3uLifh0NuRHlog\r
a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r
a=setup:actpass\r
a=mid:0\r
a=rtcp-mux\r
a=rtpmap:111 opus/48000/2\r
a=rtpmap:126 telephone-event/8000\r
";

/// An IPv6 phone with the address in its media section only.
pub(crate) const IPV6_OFFER: &str = "v=0\r
o=- 77 77 IN IP6 2001:db8::5\r
s=-\r
t=0 0\r
m=audio 40000 RTP/AVP 9 0\r
c=IN IP6 2001:db8::5\r
a=ptime:30\r
";
