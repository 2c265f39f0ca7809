"""nginx with Lua and Redis on a minimal job: read the visitor's profile, append the event, answer 204."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

#: What Debian calls what is needed.
PACKAGES = "libnginx-mod-http-lua lua-nginx-redis lua-cjson"

_CONFIG = """
{modules}
daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_buffer_size 64k;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location = /v1/beacon {{
      content_by_lua_block {{
        local cjson, redis = require 'cjson', require 'nginx.redis'
        ngx.req.read_body()
        local call = cjson.decode(ngx.req.get_body_data())
        local store = redis:new()
        local ok, why = store:connect({connect})
        if not ok then ngx.log(ngx.ERR, why) return ngx.exit(503) end
        store:get('kz:p:demo:' .. string.sub(call.v or '', 1, 32))
        local id, refused = store:xadd('bench:nginx', 'MAXLEN', '~', 10000, '*', 'v', cjson.encode(call.events[1]))
        if not id then ngx.log(ngx.ERR, refused) return ngx.exit(503) end
        store:set_keepalive(60000, 256)
        return ngx.exit(204)
      }}
    }}
  }}
}}
"""


def command(home: Path, *, store_url: str, port: int) -> list[str] | None:
    """The command that serves it on `port`; None where this machine has no nginx with Lua."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    modules = Path("/usr/share/nginx/modules")
    wanted = [modules / "ndk_http_module.so", modules / "ngx_http_lua_module.so"]
    if binary is None or not all(path.exists() for path in wanted):
        return None
    url = urlsplit(store_url)
    connect = f"'unix:{url.path}'" if url.scheme == "unix" else f"'{url.hostname}', {url.port}"
    text = _CONFIG.format(
        modules="\n".join(f"load_module {path};" for path in wanted), home=home, port=port, connect=connect
    )
    config = home / "nginx.conf"
    config.write_text(text)
    checked = subprocess.run([binary, "-t", "-c", str(config)], capture_output=True, check=False)
    return [binary, "-c", str(config)] if checked.returncode == 0 else None
