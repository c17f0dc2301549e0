"""Settings of gunicorn for both pools of a host: the one for pages, and the one for images."""

import os

bind = os.environ.get("BIND", "0.0.0.0:8000")
worker_class = "gthread"
workers = 2
# A thread that waits for a renderer costs little, and no page or image that is cached waits for it.
threads = 64
timeout = 60
# Requests that have begun may end. It is longer than a render, and shorter than the grace of Docker and Kubernetes.
graceful_timeout = 30
worker_tmp_dir = "/dev/shm"  # a tmpfs in every container
control_socket_disable = True
