# The app for a team; docs/serve.md says how to configure its login. From the root of the checkout:
#   docker build -t avhcurate .
FROM python:3.11-slim

RUN useradd --create-home curate && mkdir /workspace && chown curate /workspace
WORKDIR /app
# The libraries first, so that a change of the code does not fetch them again.
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN pip install --no-cache-dir ".[auth,postgres]"

USER curate
ENV AVHCURATE_WORKSPACE=/workspace
VOLUME /workspace
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health')"]
# Refused without a login: secrets.toml is expected at /home/curate/.streamlit/secrets.toml.
CMD ["python", "-m", "avhcurate", "serve", "--host", "0.0.0.0"]
