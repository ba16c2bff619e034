# One image for all five services: `docker build -t parley .`, then `docker run parley serve storage`, or compose.yaml.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN sed -n '/^uv==/,/# via/p' requirements.lock > uv.txt \
 && pip install --no-cache-dir --require-hashes -r uv.txt && python -m venv /opt/parley
COPY . .
# The versions of the lock, without what only development needs; the build hook makes the stubs from proto/.
RUN uv pip install --no-cache --python /opt/parley/bin/python --constraint requirements.lock .

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 parley && install -d -o parley -g parley /data
COPY --from=build /opt/parley /opt/parley
ENV PATH=/opt/parley/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
USER parley
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["parley"]
CMD ["up", "--host", "0.0.0.0"]
