# One image for every host: the agent, its locked dependencies, nothing else of ours.
#
#   docker build --tag dockline .
#   docker run --group-add "$(stat -c %g /var/run/docker.sock)" \
#     --volume /var/run/docker.sock:/var/run/docker.sock:ro dockline
#
# BASE is any image with Python 3.11 or newer, its venv module included.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
# What the C extension is compiled with, as far as BASE lacks it; it stays in this stage. Where it
# cannot be had, the same loops run in Python.
RUN include="$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')"; \
    command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] || missing="gcc libc6-dev"; \
    [ -e "$include/Python.h" ] || missing="$missing python3-dev"; \
    [ -z "$missing" ] \
 || { apt-get update -qq && apt-get install -qq --no-install-recommends $missing; } >/dev/null \
 || echo "no compiler: $missing cannot be installed" >&2
COPY constraints-all.txt constraints-build.txt ./
RUN python3 -m venv /build/tools \
 && python3 -m venv --without-pip /opt/dockline \
 && tools/bin/pip install --no-cache-dir --require-hashes -r constraints-build.txt \
 && tools/bin/pip --python /opt/dockline/bin/python install --no-cache-dir --require-hashes -r constraints-all.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY pipeline pipeline
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
 && tools/bin/pip --python /opt/dockline/bin/python install --no-deps --no-index wheel/*.whl

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="dockline" \
      org.opencontainers.image.description="One agent per Docker host: every container's logs, stats and events, routed to where you read them" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      dockline.enable="false"
# An agent knows its own container. The label keeps two of them on one host, as during an upgrade,
# from printing each other's lines for ever.

# A fixed user, so that the state volume of one image fits the next. It is in no group that may use
# the socket: the group's number differs from host to host, and `--group-add` gives it.
RUN echo 'dockline:x:10001:10001:dockline:/var/lib/dockline:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'dockline:x:10001:' >>/etc/group \
 && mkdir -p /etc/dockline /var/lib/dockline \
 && chown 10001:10001 /var/lib/dockline \
 && chmod 0700 /var/lib/dockline
COPY --from=build /opt/dockline /opt/dockline
ENV PATH=/opt/dockline/bin:$PATH \
    DOCKLINE_HTTP_LISTEN=0.0.0.0:9114
USER 10001:10001
VOLUME /var/lib/dockline
EXPOSE 9114

# A bare socket: 16 ms of CPU at every check, where urllib takes 45. With http.tls, plain HTTP is
# answered with 400, and it asks again over TLS; it only wants to know whether the agent is alive.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/opt/dockline/bin/python", "-ISc", "\
import os, socket\n\
address = '127.0.0.1', int(os.environ['DOCKLINE_HTTP_LISTEN'].rpartition(':')[2])\n\
def ask(peer): peer.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); return peer.recv(12)[9:]\n\
said = ask(socket.create_connection(address, 3))\n\
if said == b'400': import ssl; said = ask(ssl._create_unverified_context().wrap_socket(socket.create_connection(address, 3)))\n\
raise SystemExit(said != b'200')"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["dockline"]
CMD ["run"]
