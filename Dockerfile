# The program as a small image that serves rewards; it does not run as root.
#     docker build -t infalign .
#     docker run --rm -p 127.0.0.1:8100:8100 -v "$PWD/calibration.safetensors:/data/calibration.safetensors:ro" infalign
FROM rust:1.95-slim-trixie AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p infalign-cli

FROM debian:trixie-slim
COPY --from=build /source/target/release/infalign /usr/local/bin/infalign
USER 65532:65532
WORKDIR /data
EXPOSE 8100
# Without curl, which the image need not carry.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8100 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["infalign"]
CMD ["serve", "--listen", "0.0.0.0:8100", "--calibration", "/data/calibration.safetensors"]
