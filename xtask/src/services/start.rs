//! Bringing one server to life and ending it: Debian's package first, docker where there is no apt-get.
//!
//! A server of ours keeps its data, log and process id in one folder of the temporary directory, listens on
//! loopback only, and lives until `services down` or the end of the `ci` that started it.

use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::Service;
use crate::{
    clock::Stopwatch,
    process::{Failure, Result, at, cannot_start, output, program, run, succeeds},
};

/// A server that has not answered after this long will not.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn start(service: Service) -> Result<()> {
    let server = installed(service)?;
    let folder = folder(service);
    stop(service)?;
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    match server {
        Some(server) => native(service, &server, &folder)?,
        None => container(service)?,
    }
    let watch = Stopwatch::start();
    while !service.answers(service.own_port()) {
        if watch.elapsed() > PATIENCE {
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            stop(service)?;
            return Err(Failure(format!(
                "started, and silent for {PATIENCE:?}\n{said}"
            )));
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!(
        "  {} started on 127.0.0.1:{}",
        service.name(),
        service.own_port()
    );
    Ok(())
}

pub(super) fn stop(service: Service) -> Result<()> {
    let folder = folder(service);
    if !folder.exists() {
        return Ok(());
    }
    match fs::read_to_string(folder.join("pid")) {
        Ok(pid) => end(&pid, service)?,
        // No process of ours: a container, or a start that failed before there was either.
        Err(_) => drop(succeeds(program("docker").args([
            "rm",
            "--force",
            &container_name(service),
        ]))),
    }
    fs::remove_dir_all(&folder).map_err(at(&folder))
}

/// Ends the process, unless the number belongs to somebody else by now: ours name their port.
fn end(pid: &str, service: Service) -> Result<()> {
    let port = service.own_port().to_string();
    let ours = || arguments(pid).contains(&port);
    let watch = Stopwatch::start();
    if ours() {
        // SIGINT is a fast and clean end to all three.
        run(program("sh").args(["-c", &format!("kill -INT {pid}")]))?;
    }
    while ours() {
        if watch.elapsed() > PATIENCE {
            return Err(Failure(format!(
                "{} (process {pid}) does not end",
                service.name()
            )));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The command line of a process; empty when it is gone.
fn arguments(pid: &str) -> String {
    let shown = fs::read(format!("/proc/{pid}/cmdline")).or_else(|_| {
        Command::new("ps")
            .args(["-o", "args=", "-p", pid])
            .output()
            .map(|it| it.stdout)
    });
    String::from_utf8_lossy(&shown.unwrap_or_default()).into_owned()
}

/// The server program, installed if apt-get can. `None`: there is no apt-get, and docker is left to try.
fn installed(service: Service) -> Result<Option<PathBuf>> {
    if let Some(server) = server(service) {
        return Ok(Some(server));
    }
    if !succeeds(program("apt-get").arg("--version")) {
        return Ok(None);
    }
    let package = match service {
        Service::Postgres => "postgresql",
        Service::Redis => "redis-server",
        Service::Nats => "nats-server",
    };
    println!("  installing {package}");
    apt_get(&["update", "-qq"])?;
    apt_get(&["install", "-y", "-qq", "--no-install-recommends", package])?;
    match server(service) {
        Some(server) => Ok(Some(server)),
        None => Err(Failure(format!("package `{package}` brought no server"))),
    }
}

fn apt_get(words: &[&str]) -> Result<()> {
    let mut command = if user() == Some(0) {
        program("apt-get")
    } else {
        program("sudo")
    };
    if user() != Some(0) {
        command.args(["--non-interactive", "apt-get"]);
    }
    run(command
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null()))
}

/// Where the server program is: on the path, or where Debian keeps each version of Postgres.
fn server(service: Service) -> Option<PathBuf> {
    let name = match service {
        Service::Postgres => "postgres",
        Service::Redis => "redis-server",
        Service::Nats => "nats-server",
    };
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = versions
        .map(|version| version.path().join("bin"))
        .chain(env::split_paths(&path));
    let folders = folders.chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn native(service: Service, server: &Path, folder: &Path) -> Result<()> {
    let port = service.own_port().to_string();
    let data = folder.join("data");
    let log = folder.join("log");
    let file = fs::File::create(&log).map_err(at(&log))?;
    let copy = file.try_clone().map_err(at(&log))?;
    let mut command = program(server);
    match service {
        Service::Postgres => {
            cluster(server, folder, &data)?;
            as_postgres(&mut command)?.arg("-D").arg(&data);
            command.args([
                "-p",
                &port,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ]);
        }
        Service::Redis => {
            command.args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ]);
            command.arg(folder);
        }
        Service::Nats => {
            command
                .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
                .arg(&data);
        }
    }
    // A group of its own, so that Ctrl-C at a test run does not end a server that `down` will end.
    command
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy);
    let child = command
        .spawn()
        .map_err(|error| cannot_start(&command, &error))?;
    let pid = folder.join("pid");
    fs::write(&pid, child.id().to_string()).map_err(at(&pid))
}

/// A new cluster with one user, `postgres`, who needs no password.
fn cluster(server: &Path, folder: &Path, data: &Path) -> Result<()> {
    if let Some((uid, gid)) = postgres_user()? {
        chown(folder, Some(uid), Some(gid)).map_err(at(folder))?;
    }
    let mut initdb = program(server.with_file_name("initdb"));
    initdb
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-D",
        ])
        .arg(data);
    run(as_postgres(&mut initdb)?
        .current_dir(folder)
        .stdout(Stdio::null()))
}

/// Postgres refuses to run as root: there it runs as the user that its package made.
fn as_postgres(command: &mut Command) -> Result<&mut Command> {
    Ok(match postgres_user()? {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    })
}

fn postgres_user() -> Result<Option<(u32, u32)>> {
    if user() != Some(0) {
        return Ok(None);
    }
    let ids = id(&["-u", "postgres"]).zip(id(&["-g", "postgres"]));
    ids.map(Some)
        .ok_or_else(|| Failure("there is no user `postgres` to run it as".into()))
}

fn user() -> Option<u32> {
    id(&["-u"])
}

fn id(words: &[&str]) -> Option<u32> {
    let shown = output(program("id").args(words)).ok()?;
    String::from_utf8_lossy(&shown.stdout).trim().parse().ok()
}

fn container(service: Service) -> Result<()> {
    if !succeeds(program("docker").arg("info")) {
        return Err(Failure(
            "nothing answers, and neither apt-get nor docker is here to start one".into(),
        ));
    }
    let ports = format!(
        "127.0.0.1:{}:{}",
        service.own_port(),
        service.standard_port()
    );
    let (image, words): (&str, &[&str]) = match service {
        Service::Postgres => ("postgres:17-alpine", &[]),
        Service::Redis => ("redis:7-alpine", &[]),
        Service::Nats => ("nats:2-alpine", &["-js"]),
    };
    let mut docker = program("docker");
    docker.args([
        "run",
        "--detach",
        "--rm",
        "--name",
        &container_name(service),
        "--publish",
        &ports,
    ]);
    run(docker
        .args(["--env", "POSTGRES_HOST_AUTH_METHOD=trust", image])
        .args(words)
        .stdout(Stdio::null()))
}

fn container_name(service: Service) -> String {
    format!("llmteam-test-{}", service.name())
}

/// Not below the home directory: the user `postgres` cannot enter root's.
fn folder(service: Service) -> PathBuf {
    let user = user().map(|user| user.to_string()).unwrap_or_default();
    env::temp_dir()
        .join(format!("llmteam-services-{user}"))
        .join(service.name())
}
