//! Whether the host may be served as it is asked to be. Other machines reach it
//! only if callers have to prove who they are, and over TLS.

use std::net::SocketAddr;

use crate::error::{Error, Kind, Result};

/// How the host would be reached.
#[derive(Debug, Clone, Copy)]
pub struct Exposure {
    /// Where it would listen.
    pub address: SocketAddr,
    /// Whether callers have to prove who they are.
    pub authenticates: bool,
    /// Whether the operator says that nobody has to.
    pub no_auth: bool,
    /// Whether there is TLS.
    pub tls: bool,
    /// Whether the operator says that there need not be.
    pub plaintext: bool,
    /// Whether unsigned skills run.
    pub unsigned: bool,
}

impl Exposure {
    /// Whether that is safe.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if it is not.
    pub fn check(&self) -> Result<()> {
        match self.problem() {
            None => Ok(()),
            Some((message, hint)) => Err(Error::new(Kind::ConfigInsecure, message).with_hint(hint)),
        }
    }

    fn problem(&self) -> Option<(String, &'static str)> {
        let address = self.address;
        if address.ip().is_loopback() {
            let is_open = !self.authenticates && !self.no_auth;
            return is_open.then(|| (
                format!("Every program and every user of this machine would be let in at {address}."),
                "Make a key with `skillhost keys create NAME`, or configure `[auth.oauth]`, or say with `--no-auth` that nobody has to prove who they are.",
            ));
        }
        if self.no_auth || !self.authenticates {
            return Some((
                format!(
                    "Other machines reach {address}, and nobody would have to prove who they are."
                ),
                "Make a key with `skillhost keys create NAME` or configure `[auth.oauth]`, and leave `--no-auth` out; or serve at an address of this machine alone, such as 127.0.0.1:8808.",
            ));
        }
        if self.unsigned {
            return Some((
                format!("Other machines reach {address}, and skills that nobody signed would run."),
                "Unset SKILLHOST_ALLOW_UNSIGNED, or serve at an address of this machine alone, such as 127.0.0.1:8808.",
            ));
        }
        (!self.tls && !self.plaintext).then(|| (
            format!("Other machines reach {address}, and tokens would pass in the clear."),
            "Set `tls` under `[http]`, or `plaintext = true` if a proxy in front of the host ends TLS.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:8808";
    const SAFE: Exposure = Exposure {
        address: super::super::settings::ADDRESS,
        authenticates: true,
        no_auth: false,
        tls: true,
        plaintext: false,
        unsigned: false,
    };

    fn refused(address: &str, change: impl FnOnce(&mut Exposure)) -> Option<Kind> {
        let mut exposure = SAFE;
        exposure.address = address.parse().unwrap();
        change(&mut exposure);
        exposure.check().err().map(|error| error.kind())
    }

    #[test]
    fn m01_other_machines_are_served_only_with_authentication_and_tls() {
        for address in ["0.0.0.0:80", "10.0.0.1:80", "[::]:80", "[2001:db8::1]:80"] {
            let refused = |change: fn(&mut Exposure)| refused(address, change);
            let insecure = Some(Kind::ConfigInsecure);
            assert_eq!(refused(|_| {}), None, "{address}");
            assert_eq!(refused(|it| it.authenticates = false), insecure);
            assert_eq!(refused(|it| it.no_auth = true), insecure);
            assert_eq!(refused(|it| it.unsigned = true), insecure);
            assert_eq!(refused(|it| it.tls = false), insecure);
            assert_eq!(
                refused(|it| (it.tls, it.plaintext) = (false, true)),
                None,
                "behind a proxy"
            );
        }
    }

    #[test]
    fn m01_this_machine_is_served_without_authentication_only_if_somebody_says_so() {
        for address in [LOOPBACK, "127.9.9.9:1", "[::1]:8808"] {
            let refused = |change: fn(&mut Exposure)| refused(address, change);
            assert_eq!(refused(|it| it.tls = false), None);
            assert_eq!(refused(|it| it.unsigned = true), None);
            assert_eq!(
                refused(|it| it.authenticates = false),
                Some(Kind::ConfigInsecure)
            );
            assert_eq!(
                refused(|it| (it.authenticates, it.no_auth) = (false, true)),
                None
            );
        }
    }
}
