# One plugin and its dependencies on top of a guest image. /opt/plugin is no site directory: .pth files in it are never
# read, and only a model's own process looks there. Compiling runs nothing of the plugin; a file that does not compile
# is the plugin's affair when it is imported.
ARG BASE
FROM ${BASE}
LABEL harness=plugin
COPY --chown=10001:10001 plugin /opt/plugin
RUN ulimit -v 4194304; ulimit -t 600; /opt/harness/bin/python -I -m compileall -q --invalidation-mode unchecked-hash /opt/plugin > /dev/null 2>&1 || true
