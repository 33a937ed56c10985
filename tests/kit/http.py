"""Smart HTTP as a web server gives it: nginx, fcgiwrap, and git's own `http-backend`."""

import os
from pathlib import Path
from typing import Final

from tests.kit.processes import LOOPBACK, Child
from tests.kit.repos import run
from tests.kit.transport import Transport, program

# One process and no master: workers of a root's master are another user, whom our directories shut out.
_NGINX_CONFIG: Final = """\
daemon off;
master_process off;
worker_processes 1;
pid {state}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {state}/body;
  proxy_temp_path {state}/proxy;
  fastcgi_temp_path {state}/fastcgi;
  uwsgi_temp_path {state}/uwsgi;
  scgi_temp_path {state}/scgi;
  server {{
    listen {address};
    location / {{
      fastcgi_pass unix:{state}/fcgi.sock;
      fastcgi_read_timeout 600;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {root};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_CONFIG_COUNT 1;
      fastcgi_param GIT_CONFIG_KEY_0 http.receivepack;
      fastcgi_param GIT_CONFIG_VALUE_0 true;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param REMOTE_ADDR $remote_addr;
    }}
  }}
}}
"""


class Http(Transport):
    """A web server that anybody may push to."""

    name = "http"
    programs = ("nginx", "fcgiwrap")

    def available(self) -> str | None:
        return super().available() or (None if _backend().exists() else f"http: not installed: {_backend()}")

    def url(self, repo: Path) -> str:
        return f"http://{LOOPBACK}:{self._port}/{repo.relative_to(self._root)}"

    def _serve(self, env: dict[str, str]) -> None:
        socket = self._state / "fcgi.sock"
        words = (program("fcgiwrap") or "fcgiwrap", "-c", "8", "-s", f"unix:{socket}")
        gateway = Child(words, log=self._state / "log", env=env, cwd=self._state)
        self._children.append(gateway)
        gateway.wait_until(socket.exists)

        nginx = program("nginx") or "nginx"
        config = self._state / "nginx.conf"

        def command(port: int) -> tuple[str | Path, ...]:
            text = _NGINX_CONFIG.format(
                state=self._state, root=self._root, backend=_backend(), address=f"{LOOPBACK}:{port}"
            )
            config.write_text(text, encoding="utf-8")
            return (nginx, "-e", "stderr", "-p", self._state, "-c", config)

        self._listen(command, env)


def _backend() -> Path:
    exec_path = run("git", "--exec-path", cwd=Path(), env=os.environ).stdout.strip()
    return Path(exec_path) / "git-http-backend"
