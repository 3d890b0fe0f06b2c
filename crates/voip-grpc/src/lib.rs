//! The contract over gRPC; protobuf types stop here.
