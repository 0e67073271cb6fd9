# One image per program, from the binary that `make build` put into bin/:
#
#   docker build --build-arg BINARY=muster-scheduler -t muster-scheduler .
#
# There is nothing else inside, no shell and no libraries. The certificates of public authorities are not needed:
# the programs talk to the API server only, and trust the authority of the cluster that their service account names.
#
# The node agent loads NVIDIA's library at run time and needs a C library for that (docs/node-agent.md):
#
#   docker build --build-arg BINARY=muster-node-agent --build-arg BASE=debian:stable-slim -t muster-node-agent .
ARG BASE=scratch
FROM ${BASE}
ARG BINARY
COPY bin/${BINARY} /muster
USER 65532:65532
ENTRYPOINT ["/muster"]
