//! Postgres, Redis and NATS for tests: what already listens is used, what is missing is installed and started.
//!
//! Invariant: a service counts as there only when it answered in its own protocol; `down` ends only what `up` began.
//! This file decides which server to use; how one comes to life is in [`start`].

mod start;

use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    str::FromStr,
    time::Duration,
};

use crate::process::{Failure, Result};

/// A server that tests talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Postgres,
    Redis,
    Nats,
}

/// An environment variable for test processes.
pub(crate) type Variable = (&'static str, String);

/// `services up` and `services down`.
pub(crate) enum Services {
    /// `own`: start servers of our own even where others answer.
    Up {
        own: bool,
        without: Vec<Service>,
    },
    Down,
}

/// The servers that tests may use, and those among them that this run started.
pub(crate) struct Running {
    pub(crate) env: Vec<Variable>,
    pub(crate) started: Vec<Service>,
}

impl Services {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Down => down(&Service::ALL),
            Self::Up { own, without } => {
                for (name, url) in up(without, *own)?.env {
                    println!("{name}={url}");
                }
                Ok(())
            }
        }
    }
}

impl Service {
    pub(crate) const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::Nats];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    /// Where tests look for its URL.
    fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "LLMTEAM_TEST_POSTGRES_URL",
            Self::Redis => "LLMTEAM_TEST_REDIS_URL",
            Self::Nats => "LLMTEAM_TEST_NATS_URL",
        }
    }

    fn standard_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::Nats => 4222,
        }
    }

    /// Where a server of our own listens.
    fn own_port(self) -> u16 {
        self.standard_port() + 10_000
    }

    fn url(self, port: u16) -> String {
        match self {
            Self::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Self::Redis => format!("redis://127.0.0.1:{port}/"),
            Self::Nats => format!("nats://127.0.0.1:{port}"),
        }
    }

    /// Whether a server of this kind listens and lets tests in without a password.
    fn answers(self, port: u16) -> bool {
        // Postgres: a start-up message of protocol 3.0 for user and database `postgres`, answered by
        // AuthenticationOk (`R`, length 8, code 0). NATS speaks first.
        const STARTUP: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        let (hello, reply): (&[u8], &[u8]) = match self {
            Self::Postgres => (STARTUP, b"R\0\0\0\x08\0\0\0\0"),
            Self::Redis => (b"PING\r\n", b"+PONG"),
            Self::Nats => (b"", b"INFO "),
        };
        let talk = || -> io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(hello)?;
            let mut answer = vec![0; reply.len()];
            stream.read_exact(&mut answer)?;
            Ok(answer == reply)
        };
        talk().unwrap_or(false)
    }

    /// The URL of a server that is there: the one the environment names, the machine's, ours.
    fn found(self, own: bool) -> Option<String> {
        if let (false, Ok(url)) = (own, env::var(self.variable())) {
            return Some(url);
        }
        let ports = [(!own).then(|| self.standard_port()), Some(self.own_port())];
        let port = ports
            .into_iter()
            .flatten()
            .find(|port| self.answers(*port))?;
        Some(self.url(port))
    }
}

impl FromStr for Service {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let service = Self::ALL.into_iter().find(|service| service.name() == text);
        service.ok_or_else(|| Failure(format!("no service is called `{text}`")))
    }
}

/// Finds or starts every service but those in `without`.
pub(crate) fn up(without: &[Service], own: bool) -> Result<Running> {
    let mut running = Running {
        env: Vec::new(),
        started: Vec::new(),
    };
    let mut missing = Vec::new();
    for service in wanted(without) {
        let url = match service.found(own) {
            Some(url) => url,
            None => match start::start(service) {
                Ok(()) => {
                    running.started.push(service);
                    service.url(service.own_port())
                }
                Err(error) => {
                    missing.push((service, error));
                    continue;
                }
            },
        };
        running.env.push((service.variable(), url));
    }
    if missing.is_empty() {
        return Ok(running);
    }
    down(&running.started)?;
    Err(cannot_have(without, &missing))
}

fn cannot_have(without: &[Service], missing: &[(Service, Failure)]) -> Failure {
    let reasons: Vec<_> = missing
        .iter()
        .map(|(service, error)| format!("{}: {error}", service.name()))
        .collect();
    let names: Vec<_> = without
        .iter()
        .chain(missing.iter().map(|(service, _)| service))
        .map(|it| it.name())
        .collect();
    Failure(format!(
        "{}\nto go on without, add: --without {}",
        reasons.join("\n"),
        names.join(",")
    ))
}

/// The services that answer now; nothing is started.
pub(crate) fn answering(without: &[Service]) -> Vec<Variable> {
    wanted(without)
        .filter_map(|service| Some((service.variable(), service.found(false)?)))
        .collect()
}

/// Ends what [`up`] started, in this run or an earlier one.
pub(crate) fn down(services: &[Service]) -> Result<()> {
    services
        .iter()
        .try_for_each(|service| start::stop(*service))
}

fn wanted(without: &[Service]) -> impl Iterator<Item = Service> {
    Service::ALL
        .into_iter()
        .filter(|service| !without.contains(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_words_to_add() {
        let missing = [(Service::Postgres, Failure("no apt-get, no docker".into()))];
        let said = cannot_have(&[Service::Nats], &missing).to_string();
        assert_eq!(
            said,
            "postgres: no apt-get, no docker\nto go on without, add: --without nats,postgres"
        );
    }

    #[test]
    fn a_listener_of_another_kind_is_no_service() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(b"-ERR wrong door\r\n");
            }
        });
        assert!(
            !Service::ALL
                .into_iter()
                .any(|service| service.answers(port))
        );
    }
}
