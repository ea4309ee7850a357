# The upper half: the guest. Apart from the lower one, so that a change of the guest's code costs seconds.
ARG BASE
FROM ${BASE}
LABEL harness=guest
ARG SITE
USER 0:0
COPY guest ${SITE}
RUN /opt/harness/bin/python -m compileall -q --invalidation-mode unchecked-hash ${SITE}/harness_guest ${SITE}/reference_models
USER 10001:10001
ENTRYPOINT ["/opt/harness/bin/python", "-s", "-m", "harness_guest"]
