//! Where one client may connect.
//!
//! Invariant: an address that is not public is reached only when its scheme, host and port stand in
//! operator configuration; names that come from segments, inputs, models or responses never add one.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use reqwest::Url;

use super::{classify::AddressClass, error::EgressError};

/// The rules of one client. By default nothing may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    named: BTreeSet<Origin>,
    public: BTreeSet<(&'static str, u16)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl EgressPolicy {
    /// Any public address, by https on port 443.
    pub fn public() -> Self {
        Self {
            public: BTreeSet::from([("https", 443)]),
            ..Self::default()
        }
    }

    /// Public addresses by plain http on port 80 as well.
    #[must_use]
    pub fn and_plain_http(mut self) -> Self {
        self.public.insert(("http", 80));
        self
    }

    /// Only where `url`, an address from operator configuration, points: private or not.
    pub fn named(url: &Url) -> Result<Self, EgressError> {
        Ok(Self {
            named: BTreeSet::from([Origin::of(url)?]),
            ..Self::default()
        })
    }

    /// Public addresses by one more scheme and port.
    #[cfg(test)]
    pub(super) fn open_on(scheme: &'static str, port: u16) -> Self {
        Self {
            public: BTreeSet::from([(scheme, port)]),
            ..Self::default()
        }
    }

    /// Whether `url` may be asked, as far as its text tells: scheme, credentials, port, a literal address
    /// in any spelling. A name is looked up later and checked when it is resolved.
    pub fn check_url(&self, url: &Url) -> Result<(), EgressError> {
        let origin = Origin::of(url)?;
        if self.named.contains(&origin) {
            return Ok(());
        }
        let Origin { scheme, host, port } = &origin;
        if self.names_host(host) {
            return Err(denied(format!(
                "`{host}` is named with another scheme or port"
            )));
        }
        let fits = |(its, at): &&(&'static str, u16)| its == scheme && at == port;
        if !self.public.iter().any(|it| fits(&it)) {
            return Err(denied(format!("`{scheme}` on port {port} is not allowed")));
        }
        match literal(host) {
            Some(address) => check_public(host, address),
            None => Ok(()),
        }
    }

    /// Whether what `host` was found to be may be connected to: all of it is public, or the host is named.
    pub(super) fn check_lookup(&self, host: &str, found: &[IpAddr]) -> Result<(), EgressError> {
        if self.names_host(host) {
            return Ok(());
        }
        found.iter().try_for_each(|it| check_public(host, *it))
    }

    /// Whether a connection to `host` may have this peer.
    pub(super) fn check_peer(&self, host: &str, peer: SocketAddr) -> Result<(), EgressError> {
        self.check_lookup(host, &[peer.ip()])
            .map_err(|_| EgressError::WrongPeer {
                address: peer.to_string(),
            })
    }

    /// Whether any address may be reached by https, so that trusted roots are needed.
    pub(super) fn uses_tls(&self) -> bool {
        self.public.iter().any(|(scheme, _)| *scheme == "https")
            || self.named.iter().any(|it| it.scheme == "https")
    }

    fn names_host(&self, host: &str) -> bool {
        self.named.iter().any(|it| it.host == host)
    }
}

impl Origin {
    fn of(url: &Url) -> Result<Self, EgressError> {
        let scheme = url.scheme();
        if !matches!(scheme, "https" | "http") {
            return Err(denied(format!("scheme `{scheme}` is not allowed")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(denied("the address holds credentials".to_owned()));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(denied("the address has no host".to_owned()));
        };
        Ok(Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

/// The address a URL's host spells, if it is a literal; the parser has already made `0x7f.1` and its kin
/// into four decimal parts.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn check_public(host: &str, address: IpAddr) -> Result<(), EgressError> {
    match AddressClass::of(address) {
        AddressClass::Public => Ok(()),
        class => Err(denied(format!("`{host}` is the {class} address {address}"))),
    }
}

fn denied(reason: String) -> EgressError {
    EgressError::Denied { reason }
}

/// Reads an address strictly: what a lenient parser would repair (blanks, control characters,
/// backslashes) is refused, so that every reader of the text sees the same host.
pub fn parse_url(text: &str) -> Result<Url, EgressError> {
    let invalid = |why: &str| EgressError::InvalidRequest {
        reason: format!("the address {why}"),
    };
    if text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    {
        return Err(invalid("holds blanks, control characters or backslashes"));
    }
    let url = Url::parse(text).map_err(|error| invalid(&format!("is not a URL: {error}")))?;
    Origin::of(&url)?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &EgressPolicy, url: &str) -> Result<(), EgressError> {
        policy.check_url(&parse_url(url)?)
    }

    /// What the text of an address already tells.
    #[test]
    fn literals_schemes_ports_and_tricks_are_refused() {
        let policy = EgressPolicy::public().and_plain_http();
        for url in [
            "http://127.0.0.1/",
            "http://0/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://017700000001/",
            "http://127.1/",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://127\u{3002}0\u{3002}0\u{3002}1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://100.64.0.1/",
            "http://10.0.0.1/",
            "http://[fc00::1]/",
            "http://[fe80::1]/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::]/",
            "https://[2001::a00:1]/",
            "file:///etc/passwd",
            "gopher://8.8.8.8:80/",
            "ftp://8.8.8.8/",
            "data:text/plain,x",
            "http://ok@8.8.8.8/",
            "http://ok:pw@8.8.8.8/",
            "http://8.8.8.8:22/",
            "http://8.8.8.8:25/",
            "https://8.8.8.8:5432/",
            "https://8.8.8.8:6379/",
            "https://8.8.8.8:80/",
            "http://8.8.8.8:443/",
            "http://8.8.8.8\\@127.0.0.1/",
            "http:\\\\127.0.0.1/",
            "http://8.8.8.8\t.evil/",
            "http://8.8.8.8\r\nX: y/",
            " http://8.8.8.8/",
            "http://",
            "http://a b/",
            "//8.8.8.8/",
            "8.8.8.8",
        ] {
            let error = verdict(&policy, url).expect_err(url);
            assert_eq!(error.sent(), llmteam_orchestration::call::Sent::No);
        }
        for url in [
            "http://8.8.8.8/",
            "https://[2606:4700::1111]/x",
            "https://api.example.com/",
            "https://b\u{fc}cher.example/",
        ] {
            assert_eq!(verdict(&policy, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn plain_http_is_off_unless_asked_for_and_nothing_is_on_by_default() {
        let plain = verdict(&EgressPolicy::public(), "http://8.8.8.8/");
        assert_eq!(plain.unwrap_err().code(), "EGRESS_DENIED");
        assert!(verdict(&EgressPolicy::default(), "https://8.8.8.8/").is_err());
    }

    #[test]
    fn what_an_operator_names_is_one_origin_and_nothing_else() {
        let policy = EgressPolicy::named(&parse_url("http://127.0.0.1:9000/v1").unwrap()).unwrap();
        assert_eq!(verdict(&policy, "http://127.0.0.1:9000/other"), Ok(()));
        assert_eq!(verdict(&policy, "http://0x7f.1:9000/"), Ok(()));
        for url in [
            "http://127.0.0.1/",
            "https://127.0.0.1:9000/",
            "http://127.0.0.2:9000/",
            "http://localhost:9000/",
            "https://8.8.8.8/",
        ] {
            assert!(verdict(&policy, url).is_err(), "{url}");
        }
    }

    /// One bad answer among good ones is enough.
    #[test]
    fn all_answers_of_a_lookup_must_be_public() {
        let policy = EgressPolicy::public();
        let check = |found: &[&str]| {
            let found: Vec<IpAddr> = found.iter().map(|it| it.parse().unwrap()).collect();
            policy.check_lookup("api.example.com", &found)
        };
        assert_eq!(check(&["8.8.8.8", "2606:4700::1111"]), Ok(()));
        assert!(check(&["8.8.8.8", "10.0.0.1"]).is_err());
        assert!(check(&["8.8.8.8", "::1"]).is_err());
        let error = policy.check_peer("api.example.com", "10.0.0.1:443".parse().unwrap());
        assert_eq!(error.unwrap_err().code(), "EGRESS_DENIED");
    }
}
