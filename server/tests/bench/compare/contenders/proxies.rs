//! Proxies, which pass a request through: ours, nginx and HAProxy as Debian has them.
//!
//! Theirs do not hedge; both keep connections to the upstream and write no log, and nginx buffers nothing, as ours
//! does not. Each has as many threads or processes as it has cores.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch};
use crate::places::target;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ours; the base of the others' ratios.
pub(crate) const PROXY: Contender = Contender::new(
    "proxy",
    "`headstart proxy` with its defaults, which hedge after 300 ms",
    Launch::Program(|site| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headstart"));
        command.args(["proxy", "--to", &format!("http://{}", site.upstream), "--listen", &site.listen.to_string()]);
        command.args(["--admin", "127.0.0.1:0", "--max-in-flight", "16384", "--max-connections", "16384"]);
        Ok(command)
    }),
)
.without_wrapper()
.passing();

pub(crate) const NGINX: Contender = Contender::new(
    "nginx",
    "nginx, `proxy_buffering off`, connections kept to the upstream",
    Launch::Program(|site| {
        let directory = place("nginx")?;
        let configuration = NGINX_CONF
            .replace("DIRECTORY", &directory.display().to_string())
            .replace("LISTEN", &site.listen.to_string())
            .replace("UPSTREAM", &site.upstream.to_string())
            .replace("CORES", &site.cores());
        fs::write(directory.join("nginx.conf"), configuration)?;
        let mut command = Command::new(program("nginx")?);
        command.arg("-p").arg(&directory).arg("-c").arg(directory.join("nginx.conf"));
        command.arg("-e").arg("stderr");
        Ok(command)
    }),
)
.without_wrapper()
.passing()
.prepared_by(|| program("nginx").map(drop));

pub(crate) const HAPROXY: Contender = Contender::new(
    "haproxy",
    "HAProxy, connections kept to the upstream and shared",
    Launch::Program(|site| {
        let directory = place("haproxy")?;
        let configuration = HAPROXY_CFG
            .replace("LISTEN", &site.listen.to_string())
            .replace("UPSTREAM", &site.upstream.to_string())
            .replace("CORES", &site.cores());
        fs::write(directory.join("haproxy.cfg"), configuration)?;
        let mut command = Command::new(program("haproxy")?);
        command.args(["-q", "-db", "-f"]).arg(directory.join("haproxy.cfg"));
        Ok(command)
    }),
)
.without_wrapper()
.passing()
.prepared_by(|| program("haproxy").map(drop));

const NGINX_CONF: &str = "\
daemon off;
worker_processes CORES;
pid DIRECTORY/pid;
error_log stderr error;
events { worker_connections 16384; }
http {
    access_log off;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    keepalive_requests 1000000000;
    upstream one { server UPSTREAM; keepalive 1024; keepalive_requests 1000000000; }
    server {
        listen LISTEN backlog=4096;
        location / {
            proxy_pass http://one;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
        }
    }
}
";

const HAPROXY_CFG: &str = "\
global
    nbthread CORES
    maxconn 4096
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend all
    bind LISTEN backlog 4096
    default_backend one
backend one
    server one UPSTREAM
";

/// A directory for a program's files.
fn place(name: &str) -> Result<PathBuf> {
    let directory = target().join("compare-proxies").join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Where Debian has it, which is on the superuser's path only.
fn program(name: &str) -> Result<PathBuf> {
    let places =
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(|place| Path::new(place).join(name));
    let found = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| format!("not installed: `apt-get install {name}`").into())
}
