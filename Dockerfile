# qnviz as a container: docs/deployment.md says how to run it.
#   docker build -t qnviz .
#   docker run --rm -p 8501:8501 --read-only --tmpfs /tmp -v qnviz-data:/data qnviz
FROM python:3.11-slim AS packages

# Where the wheels of torch come from is the builder's choice, such as an index with wheels for
# processors alone, which are a tenth of the size; by default it is pip's own.
ARG TORCH_INDEX=""
COPY requirements.txt requirements-dask.txt /tmp/
RUN python -m venv /opt/venv \
 && if [ -n "$TORCH_INDEX" ]; then \
        grep '^torch==' /tmp/requirements.txt > /tmp/torch.txt \
        && /opt/venv/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" -r /tmp/torch.txt; \
    fi \
 && /opt/venv/bin/pip install --no-cache-dir -r /tmp/requirements-dask.txt

FROM python:3.11-slim

# Chromium draws the pictures that people export; without it the app says so, and all else works.
# The user has no password, no shell and no home; what is written lies in /data and /tmp.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends chromium \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin qnviz \
 && install --directory --owner qnviz --group qnviz /data

COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    MALLOC_ARENA_MAX=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    QNVIZ_DATA=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0
USER qnviz
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "app.py"]
