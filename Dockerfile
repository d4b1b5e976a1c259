# docker build -t lgap . && docker run -it --rm -p 8888:8888 lgap
# Tests: docker run --rm lgap make test-all
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /lgap
COPY . .
RUN make setup LOCKED=yes
ENV PATH=/lgap/.venv/bin:$PATH LGAP_BROWSER=1
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--allow-root", "--no-browser", "nbs"]
