//! Which addresses are asked for, and where a redirect may lead.

use skillhost_sdk::prelude::*;
use url::Url;

/// The address that a caller wrote, without its fragment.
///
/// # Errors
///
/// `invalid_arguments` for anything but an absolute `http` or `https` address
/// without user name and password.
pub(crate) fn parse(text: &str) -> Result<Url> {
    let url = Url::parse(text.trim()).map_err(|error| {
        Error::invalid_arguments(format!(
            "{text:?} is no absolute address ({error}). Write it as https://example.org/."
        ))
        .code("invalid-url")
    })?;
    match unfit(&url) {
        Some(reason) => Err(Error::invalid_arguments(reason).code("invalid-url")),
        None => Ok(without_fragment(url)),
    }
}

/// Where `location`, which `from` answered, leads.
///
/// # Errors
///
/// `failed` for an address that [`parse`] would refuse, and for a step from
/// `https` down to `http`: what follows could be read and changed on the way.
pub(crate) fn redirect(from: &Url, location: &str) -> Result<Url> {
    let to = from.join(location).map_err(|error| {
        Error::failed(format!(
            "{from} redirects to {location:?}, which is no address: {error}."
        ))
        .code("invalid-redirect")
    })?;
    if let Some(reason) = unfit(&to) {
        return Err(Error::failed(format!(
            "{from} redirects to an address that is refused. {reason}"
        ))
        .code("invalid-redirect"));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        let message = format!(
            "{from} redirects to {to}, from https down to http. Fetch that address if it is to be trusted."
        );
        return Err(Error::failed(message).code("insecure-redirect"));
    }
    Ok(without_fragment(to))
}

fn unfit(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        Some("Only http and https addresses can be fetched.")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("The address must not hold a user name or a password.")
    } else {
        None
    }
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use skillhost_sdk::ErrorKind;

    use super::*;

    fn redirected(from: &str, location: &str) -> Result<String, String> {
        match redirect(&Url::parse(from).unwrap(), location) {
            Ok(url) => Ok(url.into()),
            Err(error) => Err(error.code_name().unwrap().to_owned()),
        }
    }

    #[test]
    fn takes_http_and_https_without_the_fragment() {
        assert_eq!(
            parse(" HTTP://Example.org:80/a#b ").unwrap().as_str(),
            "http://example.org/a"
        );
        assert_eq!(
            parse("https://example.org").unwrap().as_str(),
            "https://example.org/"
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "example.org",
            "/a",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://u:p@example.org/",
            "http://",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.kind(), error.code_name()),
                (ErrorKind::InvalidArguments, Some("invalid-url")),
                "{text}"
            );
        }
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        assert_eq!(
            redirected("http://a.example/x/y", "../z?q#f"),
            Ok("http://a.example/z?q".to_owned())
        );
        assert_eq!(
            redirected("http://a.example/", "//b.example/"),
            Ok("http://b.example/".to_owned())
        );
        assert_eq!(
            redirected("http://a.example/", "https://a.example/"),
            Ok("https://a.example/".to_owned())
        );
    }

    #[test]
    fn redirects_never_lose_encryption_or_leave_the_web() {
        assert_eq!(
            redirected("https://a.example/", "http://a.example/"),
            Err("insecure-redirect".to_owned())
        );
        assert_eq!(
            redirected("http://a.example/", "file:///etc/passwd"),
            Err("invalid-redirect".to_owned())
        );
        assert_eq!(
            redirected("http://a.example/", "http://u@a.example/"),
            Err("invalid-redirect".to_owned())
        );
        assert_eq!(
            redirected("http://a.example/", "http://["),
            Err("invalid-redirect".to_owned())
        );
    }
}
