//! The command line of xtask: words in, one [`Command`] out. Every word is used or refused.

use std::{num::NonZeroUsize, str::FromStr};

use crate::{
    bench::Bench,
    ci::Ci,
    conformance::Conformance,
    ids::Ids,
    oracle,
    process::{Failure, Result},
    services::{Service, Services},
    test::Test,
};

pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci [--without SERVICE,…]   everything a change must pass; `pm4py` can be left out too
  test [--module M] [--fast] [--parallel N] [--shard K/N] [--coverage] [--without SERVICE,…]
  lint                       fmt, clippy, layers, tidy
  layers                     no crate depends on one above it
  tidy                       folder layout, file heads, file lengths, error pages
  ids [--list]               every rule of docs/spec has a test
  conformance [DIR] [--rules]
  oracle                     process mining beside pm4py
  bench [NAME]
  services up [--own] [--without SERVICE,…] | services down
  fresh                      the commands of the README, in a new clone

services: postgres, redis, nats";

/// What the caller asked for.
pub(crate) enum Command {
    Help,
    Bench(Bench),
    Ci(Ci),
    Conformance(Conformance),
    Fresh,
    Ids(Ids),
    Layers,
    Lint,
    Oracle,
    Services(Services),
    Test(Test),
    Tidy,
}

impl Command {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = Words(words.collect());
        if words.flag("--help") | words.flag("-h") {
            return Ok(Self::Help);
        }
        let command = match words.next().as_deref() {
            None | Some("help") => Self::Help,
            Some("bench") => Self::Bench(Bench { name: words.next() }),
            Some("ci") => {
                let mut names = words.without_names()?;
                let all = names.len();
                names.retain(|name| name != oracle::NAME);
                Self::Ci(Ci {
                    oracle: names.len() == all,
                    without: services(&names)?,
                })
            }
            Some("conformance") => Self::Conformance(Conformance {
                rules: words.flag("--rules"),
                dir: words.next().unwrap_or_else(|| "tests/conformance".into()),
            }),
            Some("fresh") => Self::Fresh,
            Some("ids") => Self::Ids(Ids {
                list: words.flag("--list"),
            }),
            Some("layers") => Self::Layers,
            Some("lint") => Self::Lint,
            Some("oracle") => Self::Oracle,
            Some("services") => Self::Services(words.services()?),
            Some("test") => Self::Test(words.test()?),
            Some("tidy") => Self::Tidy,
            Some(other) => return Err(Failure(format!("no command is called `{other}`"))),
        };
        words.finish()?;
        Ok(command)
    }
}

/// The words not used yet. Options are taken first, so that what is left in front is a name.
struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, name: &str) -> bool {
        let at = self.0.iter().position(|word| word == name);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// `--name VALUE` or `--name=VALUE`.
    fn value<T: FromStr<Err: ToString>>(&mut self, name: &str) -> Result<Option<T>> {
        let joined = format!("{name}=");
        let Some(at) = self
            .0
            .iter()
            .position(|word| word == name || word.starts_with(&joined))
        else {
            return Ok(None);
        };
        let word = self.0.remove(at);
        let text = match word.strip_prefix(&joined) {
            Some(text) => text.to_owned(),
            None if at < self.0.len() => self.0.remove(at),
            None => return Err(Failure(format!("`{name}` needs a value"))),
        };
        let value = text
            .parse()
            .map_err(|error: T::Err| Failure(format!("`{name} {text}`: {}", error.to_string())))?;
        Ok(Some(value))
    }

    fn without(&mut self) -> Result<Vec<Service>> {
        services(&self.without_names()?)
    }

    fn without_names(&mut self) -> Result<Vec<String>> {
        let names: Option<String> = self.value("--without")?;
        let names = names.iter().flat_map(|names| names.split(','));
        Ok(names.map(str::to_owned).collect())
    }

    fn services(&mut self) -> Result<Services> {
        match self.next().as_deref() {
            Some("up") => Ok(Services::Up {
                own: self.flag("--own"),
                without: self.without()?,
            }),
            Some("down") => Ok(Services::Down),
            _ => Err(Failure("`services` is followed by `up` or `down`".into())),
        }
    }

    fn test(&mut self) -> Result<Test> {
        Ok(Test {
            module: self.value("--module")?,
            fast: self.flag("--fast"),
            threads: self.value("--parallel")?.unwrap_or_else(threads),
            shard: self.value("--shard")?.unwrap_or_default(),
            coverage: self.flag("--coverage"),
            without: self.without()?,
            env: None,
        })
    }

    fn next(&mut self) -> Option<String> {
        let first = self.0.first()?;
        (!first.starts_with('-')).then(|| self.0.remove(0))
    }

    fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(Failure(format!("`{word}` is not understood here"))),
        }
    }
}

fn services(names: &[String]) -> Result<Vec<Service>> {
    names.iter().map(|name| name.parse()).collect()
}

/// Tests at once when nobody says: one on a small machine, half the cores on a larger one.
pub(crate) fn threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_stand_in_any_order_and_form() {
        let Ok(Command::Test(it)) = parse("test --shard=2/3 --fast --module tenancy --parallel 4")
        else {
            panic!("a test command");
        };
        assert_eq!(it.shard.to_string(), "2/3");
        assert_eq!(it.module.as_deref(), Some("tenancy"));
        assert_eq!(it.threads.get(), 4);
        assert!(it.fast && !it.coverage);
    }

    #[test]
    fn a_list_of_services_is_parsed_whole() {
        let Ok(Command::Ci(it)) = parse("ci --without postgres,nats") else {
            panic!("a ci command")
        };
        assert_eq!(it.without, [Service::Postgres, Service::Nats]);
        assert!(it.oracle);
        let Ok(Command::Ci(it)) = parse("ci --without pm4py,redis") else {
            panic!("a ci command")
        };
        assert_eq!(it.without, [Service::Redis]);
        assert!(!it.oracle);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let refused = |line| parse(line).err().map(|error| error.to_string());
        assert_eq!(refused("tset"), Some("no command is called `tset`".into()));
        assert_eq!(
            refused("ci --witout nats"),
            Some("`--witout` is not understood here".into())
        );
        assert_eq!(
            refused("ci --without oracle"),
            Some("no service is called `oracle`".into())
        );
        assert_eq!(
            refused("test --shard"),
            Some("`--shard` needs a value".into())
        );
        assert_eq!(
            refused("services"),
            Some("`services` is followed by `up` or `down`".into())
        );
        assert!(refused("test --shard 4/3").is_some());
        assert!(refused("test --parallel 0").is_some());
    }
}
