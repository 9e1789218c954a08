# The service in one image. `docker build -t bearing .`; see docker/compose.yaml for how to run it.
#
# Where no registry of PyTorch's can be reached, build with --build-arg TORCH_INDEX= ; the ordinary
# wheel is taken then, and brings CUDA.

FROM python:3.11-slim-bookworm AS build

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build
RUN python -m venv /opt/bearing

# What is installed from elsewhere changes seldom: its layers outlive changes of the source.
COPY constraints.txt pyproject.toml ./
COPY docker/install-torch docker/
RUN TORCH_INDEX="$TORCH_INDEX" docker/install-torch /opt/bearing/bin/python constraints.txt
RUN python -c "import tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['mcp'], 'setuptools', sep='\n')" > requirements.txt \
 && /opt/bearing/bin/pip install --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE ./
COPY app app
COPY indexer indexer
RUN /opt/bearing/bin/pip install --no-deps --no-build-isolation .


FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="Bearing" \
      org.opencontainers.image.description="An embedding retrieval service" \
      org.opencontainers.image.licenses="Apache-2.0"

# Everything that is ever written lies in /data: collections, converted models, scratch files.
RUN groupadd --system --gid 10001 bearing \
 && useradd --system --uid 10001 --gid bearing --home-dir /data --no-create-home --shell /usr/sbin/nologin bearing \
 && install -d -o bearing -g bearing -m 0750 /data
COPY --from=build /opt/bearing /opt/bearing
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
