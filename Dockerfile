# The app for a team; docs/serve.md says how to configure its login. From the root of the checkout:
#   docker build -t avhcurate .
# Without a GPU (2 GB in place of 6), with the index of CPU builds that PyTorch's page "Get started" names:
#   docker build -t avhcurate --build-arg TORCH_INDEX=ADDRESS .
FROM python:3.11-slim
ARG TORCH_INDEX=

RUN useradd --create-home curate && mkdir /workspace && chown curate /workspace
WORKDIR /app
# The libraries first, so that a change of the code does not fetch them again.
COPY requirements.txt ./
COPY locks/requirements.lock locks/
RUN pip install --no-cache-dir --no-deps --require-hashes -r locks/requirements.lock
RUN PIP_EXTRA_INDEX_URL=$TORCH_INDEX pip install --no-cache-dir -r requirements.txt
COPY . .
RUN PIP_EXTRA_INDEX_URL=$TORCH_INDEX pip install --no-cache-dir ".[auth,postgres]"

USER curate
ENV AVHCURATE_WORKSPACE=/workspace
VOLUME /workspace
EXPOSE 8501
# Below another path: -e STREAMLIT_SERVER_BASE_URL_PATH=curate.
HEALTHCHECK --start-period=60s CMD python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501${STREAMLIT_SERVER_BASE_URL_PATH:+/$STREAMLIT_SERVER_BASE_URL_PATH}/_stcore/health')"
# Refused without a login: secrets.toml is expected at /home/curate/.streamlit/secrets.toml.
CMD ["python", "-m", "avhcurate", "serve", "--host", "0.0.0.0"]
