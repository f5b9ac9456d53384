//! The async rivals in Python, from the virtual environment that `tests/bench/rivals/install.sh` makes.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use crate::places::{self, installed};
use std::process::Command;

pub(crate) const FASTAPI: Contender = Contender::new(
    "fastapi",
    "FastAPI on uvicorn with uvloop and httptools, one aiohttp session per worker, a worker per core",
    Launch::Program(|site| {
        let mut command = python("uvicorn", site)?;
        let (host, port) = (site.listen.ip().to_string(), site.listen.port().to_string());
        command.args(["--host", &host, "--port", &port, "--workers", &site.cores(), "--loop", "uvloop"]);
        command.args(["--http", "httptools", "--backlog", "4096", "--log-level", "warning", "--no-access-log"]);
        command.arg("tuned:app");
        Ok(command)
    }),
)
.prepared_by(|| installed("rivals-python/bin/uvicorn").map(drop));

pub(crate) const ASYNCIO: Contender = Contender::new(
    "asyncio",
    "Flask's async views with aiohttp under gunicorn: an event loop and a session per request, a worker of 64 threads \
     per core",
    Launch::Program(|site| {
        let mut command = python("gunicorn", site)?;
        command.args(["--bind", &site.listen.to_string(), "--workers", &site.cores(), "--log-level", "warning"]);
        command.args(["--worker-class", "gthread", "--threads", "64", "--worker-connections", "16384"]);
        command.args(["--keep-alive", "60", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "original:app"]);
        Ok(command)
    }),
)
.prepared_by(|| installed("rivals-python/bin/gunicorn").map(drop));

/// A program of the virtual environment, which serves one of our two files there.
fn python(program: &str, site: &Site) -> Result<Command> {
    let mut command = Command::new(installed("rivals-python/bin/python3")?);
    command.args(["-m", program]).current_dir(places::PYTHON);
    command.env("UPSTREAM", site.upstream_url()).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
