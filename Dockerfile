# The service in one image. `docker build -t bearing .`; docs/deploying.md says how to run it.
#
# It brings the default model converted, and leaves out torch, which only converting another model
# takes. `--build-arg TORCH=with` puts torch in.
#
# Where no registry of PyTorch's can be reached, build with --build-arg TORCH_INDEX= ; the ordinary
# wheel is taken then, and brings CUDA.

FROM python:3.11-slim-bookworm AS libraries

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# pytrec-eval-terrier has no wheel for Linux on ARM.
# hadolint ignore=DL3008
RUN [ "$(uname -m)" = x86_64 ] \
 || { apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*; }

WORKDIR /build
RUN python -m venv /opt/bearing

# What is installed from elsewhere changes seldom: its layers outlive changes of the source.
COPY constraints.txt pyproject.toml ./
COPY docker/requirements docker/
RUN docker/requirements pyproject.toml serving > serving.txt \
 && docker/requirements pyproject.toml bare > bare.txt \
 && /opt/bearing/bin/pip install --constraint constraints.txt --requirement serving.txt \
 && /opt/bearing/bin/pip install --constraint constraints.txt --no-deps --requirement bare.txt


FROM libraries AS wheel

RUN pip install --constraint constraints.txt setuptools
COPY README.md LICENSE ./
COPY app app
COPY indexer indexer
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .


FROM libraries AS installed

SHELL ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c"]
RUN /opt/bearing/bin/pip freeze | sort > serving.lock

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY docker/install-torch docker/
RUN TORCH_INDEX="$TORCH_INDEX" docker/install-torch /opt/bearing/bin/python constraints.txt \
 && docker/requirements pyproject.toml converting > converting.txt \
 && /opt/bearing/bin/pip install --constraint constraints.txt --requirement converting.txt
COPY --from=wheel /wheels /wheels
RUN /opt/bearing/bin/pip install --no-deps /wheels/*.whl

# Indexing a text converts the default model, into the place where any Bearing looks for it.
RUN echo "A bearing is a direction." > bearing.txt \
 && BEARING_CACHE=/opt/bearing/share/bearing /opt/bearing/bin/bearing index bearing.txt --data /tmp/data \
 && rm -r /opt/bearing/share/bearing/digests /tmp/data

# Then go what only converting took, and what nothing here ever loads: the libraries' own tests,
# headers, and OpenVINO's plugins for GPUs and NPUs, as embedding on a GPU is torch's.
ARG TORCH=without
RUN case "$TORCH" in \
      with) ;; \
      without) /opt/bearing/bin/pip freeze | sort | comm -13 serving.lock - | sed 's/[ =].*//' \
        | grep -v '^bearing-search$' | xargs /opt/bearing/bin/pip uninstall --yes ;; \
      *) echo "TORCH is with or without, not $TORCH" >&2; exit 1 ;; \
    esac \
 && /opt/bearing/bin/pip uninstall --yes pip setuptools

# A software bill of materials of what is left.
RUN pip install --constraint constraints.txt cyclonedx-bom \
 && cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
      --output-file /opt/bearing/share/bearing/bearing.cdx.json /opt/bearing/bin/python

WORKDIR /opt/bearing/lib/python3.11/site-packages
RUN rm -rf pyarrow/include pyarrow/tests pyarrow/*flight* openvino/include \
      openvino/libs/libopenvino_intel_[gn]pu_plugin.so openvino/libs/cache.json \
 && find scipy sklearn -type d -name tests -prune -exec rm -r {} +


FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="Bearing" \
      org.opencontainers.image.description="An embedding retrieval service" \
      org.opencontainers.image.licenses="Apache-2.0"

# Everything that is ever written lies in /data: collections, converted models, scratch files.
RUN groupadd --system --gid 10001 bearing \
 && useradd --system --uid 10001 --gid bearing --home-dir /data --no-create-home --shell /usr/sbin/nologin bearing \
 && install -d -o bearing -g bearing -m 0750 /data
COPY --from=installed /opt/bearing /opt/bearing
COPY docker/healthcheck.py /opt/bearing/healthcheck.py

ENV PATH=/opt/bearing/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    TMPDIR=/data \
    TORCHINDUCTOR_CACHE_DIR=/data/.cache/torch \
    BEARING_DATA=/data \
    BEARING_CACHE=/data/.cache \
    BEARING_HOST=0.0.0.0 \
    BEARING_PORT=8000

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "/opt/bearing/healthcheck.py"]

# Without keys (BEARING_API_KEYS) a service that others can reach refuses to start; see the README.
ENTRYPOINT ["bearing"]
CMD ["serve"]
