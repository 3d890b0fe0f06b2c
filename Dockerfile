# The images, for those who have a container engine and a registry:
#
#   docker build --target operator -t registry.example.com/voip/operator:0.1.0 .
#
# and likewise sip-node and media-node; the build is shared. The chart takes `image.repository` registry.example.com/voip.
# Without a container engine, `cargo xtask images` writes the same images as OCI archives.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# Static, so that the images need no libc. The target is named, or proc macros would be linked statically too.
RUN target="$(rustc --print host-tuple)" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile image --target "$target" \
      --package voip-operator --bin voip-operator --package sip-node --bin sip-node --package media-node --bin media-node \
 && mv "target/$target/image" /programs

FROM scratch AS operator
COPY --from=build /programs/voip-operator /bin/voip-operator
USER 65532:65532
ENTRYPOINT ["/bin/voip-operator"]

FROM scratch AS sip-node
COPY --from=build /programs/sip-node /bin/sip-node
USER 65532:65532
ENTRYPOINT ["/bin/sip-node"]

FROM scratch AS media-node
COPY --from=build /programs/media-node /bin/media-node
USER 65532:65532
ENTRYPOINT ["/bin/media-node"]
