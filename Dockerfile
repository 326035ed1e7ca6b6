# One image for every worker, the gateway and provisioning. Not built in this project's CI, which has no container
# engine: docker-compose.yml is checked by a parser test only.
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/tradsys \
    && /opt/tradsys/bin/pip install --no-cache-dir "$(grep -o '^uv==[^ ]*' requirements.lock)" \
    && /opt/tradsys/bin/uv pip sync --no-cache --require-hashes --python /opt/tradsys/bin/python requirements.lock
COPY . .
RUN /opt/tradsys/bin/uv pip install --no-cache --no-deps --python /opt/tradsys/bin/python .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home tradsys
COPY --from=build /opt/tradsys /opt/tradsys
ENV PATH=/opt/tradsys/bin:$PATH PYTHONUNBUFFERED=1
USER tradsys
ENTRYPOINT ["tradsys"]
