# One file, an image per room, each with only its own dependencies.
#   docker build --target platform .        targets: platform gateway simulators apps
FROM python:3.13-slim AS wheels
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN python -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --require-hashes -r requirements/build.txt
COPY core core
COPY edge edge
COPY gateway gateway
COPY platform platform
COPY apps apps
COPY simulators simulators
COPY cli cli
RUN for room in core edge gateway platform platform/sdk apps simulators cli; do \
        (cd "$room" && python -m hatchling build --target wheel --directory /wheels) || exit 1; done

FROM python:3.13-slim AS base
RUN groupadd --gid 10001 penstock && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/penstock --shell /usr/sbin/nologin penstock \
    && install -d -o penstock -g penstock -m 0700 /data /broker \
    && install -d -o penstock -g penstock -m 0755 /trust \
    && for name in "" /postgres /mqtt-gateway /mqtt-sim /mosquitto /edge-1 /monitoring /maintenance /operator; do \
           install -d -o penstock -g penstock -m 0755 "/secrets$name"; done
ENV PATH=/opt/penstock/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The image comes without the compiled standard library, and our user may not write it: each start would compile it anew.
RUN python -m compileall -q -j 0 "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
WORKDIR /home/penstock
COPY requirements/cli.txt /requirements/cli.txt

FROM base AS install-platform
COPY requirements/platform.txt /requirements/
RUN python -m venv /opt/penstock && pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
        -r /requirements/platform.txt -r /requirements/cli.txt
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-cache-dir --no-deps /wheels/penstock_core-*.whl /wheels/penstock_platform-*.whl /wheels/penstock_cli-*.whl

FROM base AS install-gateway
COPY requirements/gateway.txt /requirements/
RUN python -m venv /opt/penstock && pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
        -r /requirements/gateway.txt -r /requirements/cli.txt
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-cache-dir --no-deps /wheels/penstock_core-*.whl /wheels/penstock_edge-*.whl /wheels/penstock_gateway-*.whl /wheels/penstock_cli-*.whl

FROM base AS install-simulators
COPY requirements/simulators.txt /requirements/
RUN python -m venv /opt/penstock && pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
        -r /requirements/simulators.txt -r /requirements/cli.txt
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-cache-dir --no-deps /wheels/penstock_core-*.whl /wheels/penstock_simulators-*.whl /wheels/penstock_cli-*.whl

FROM base AS install-apps
COPY requirements/apps.txt /requirements/
RUN python -m venv /opt/penstock && pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
        -r /requirements/apps.txt -r /requirements/cli.txt
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-cache-dir --no-deps /wheels/penstock_core-*.whl /wheels/penstock_sdk-*.whl /wheels/penstock_apps-*.whl /wheels/penstock_cli-*.whl

FROM base AS platform
COPY --from=install-platform /opt/penstock /opt/penstock
USER penstock
EXPOSE 8080
CMD ["penstock", "platform", "run"]

FROM base AS gateway
COPY --from=install-gateway /opt/penstock /opt/penstock
USER penstock
CMD ["penstock", "gateway", "run"]

FROM base AS simulators
COPY --from=install-simulators /opt/penstock /opt/penstock
USER penstock
CMD ["penstock", "sim", "run"]

FROM base AS apps
COPY --from=install-apps /opt/penstock /opt/penstock
USER penstock
CMD ["penstock", "app", "run", "monitoring"]
