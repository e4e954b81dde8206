use std::path::Path;

use skillhost::Kind;
use skillhost::config::Config;
use skillhost::policy::directory::DirectoryGrant;
use skillhost::policy::origin::OriginRule;

/// As a configuration: it is read, always as the same, or refused as what it
/// is. Rules and directories that are read mean the same when they are written
/// out and read again, and no directory is granted at a path that climbs.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let parse = || Config::parse(text, Path::new("/nowhere/skillhost.toml"));
    let config = match parse() {
        Ok(config) => config,
        Err(error) => {
            assert!(
                matches!(error.kind(), Kind::ConfigInvalid | Kind::ConfigInsecure),
                "{error:?}"
            );
            return;
        }
    };
    assert_eq!(format!("{config:?}"), format!("{:?}", parse().unwrap()));
    for policy in config.policies.values() {
        for directory in &policy.grant.directories {
            check_directory(directory);
        }
        for rule in &policy.grant.http {
            assert_eq!(rule.to_string().parse::<OriginRule>().as_ref(), Ok(rule));
        }
    }
}

fn check_directory(directory: &DirectoryGrant) {
    assert!(directory.guest.starts_with('/'), "{directory:?}");
    let climbs = directory
        .guest
        .split('/')
        .any(|part| part == ".." || part == ".");
    assert!(!climbs, "{directory:?}");
    let written = directory.to_string();
    assert_eq!(written.parse::<DirectoryGrant>().as_ref(), Ok(directory));
}
