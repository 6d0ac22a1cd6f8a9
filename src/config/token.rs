//! The token of the admin side.

use std::{fmt, net::SocketAddr};

use super::{NodeConfig, Problem, Problems, secret_file::read_secret_line};

/// What a request to the admin side must know. Kept as a digest: nothing that shows memory or a log shows the token.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// The fewest characters. Random ones are meant: of hexadecimal digits these are 128 bits.
    pub const CHARACTERS_MIN: usize = 32;

    /// Takes a token that can stand in a header (RFC 6750 section 2.1: letters, digits and `-._~+/=`) and is long
    /// enough.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if text.len() < Self::CHARACTERS_MIN || !text.bytes().all(is_taken) {
            return Err("must be 32 letters, digits or -._~+/= at least");
        }
        Ok(Self(blake3::hash(text.as_bytes())))
    }

    /// Whether this is the token. Takes the same time wherever they differ: digests are compared, and in constant time.
    pub fn is(&self, given: &[u8]) -> bool {
        // `blake3::Hash` compares in constant time.
        blake3::hash(given) == self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl NodeConfig {
    /// Where the admin side listens and who is let in, read from the file of the token; `None` when it is off.
    ///
    /// # Errors
    /// [`Problems`] when the token cannot be used.
    pub fn admin_access(&self) -> Result<Option<(SocketAddr, Token)>, Problems> {
        let (Some(listen), Some(path)) = (self.admin.listen, &self.admin.token_file) else { return Ok(None) };
        let wrong = |what: String, remedy: String| {
            Problems(vec![Problem::new("admin.token_file", format!("{}: {what}", path.display()), remedy)])
        };
        let file = path.display();
        let make = format!("(umask 077; openssl rand -hex 32 > {file}) makes one for its owner alone");
        let token = read_secret_line(path).map_err(|error| wrong(error.to_string(), make.clone()))?;
        let token = Token::new(&token).map_err(|expected| wrong(expected.to_owned(), make))?;
        Ok(Some((listen, token)))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const GOOD: &str = "0123456789abcdef-._~+/=ABCDEFGHI";

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = Token::new(GOOD).unwrap();
        assert!(token.is(GOOD.as_bytes()));
        for other in ["", &GOOD[1..], &format!("{GOOD}x"), &GOOD.to_lowercase()] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token");
        for bad in [&GOOD[1..], &format!("{GOOD} "), &format!("{GOOD}ü")] {
            assert!(Token::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_with_a_short_token_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let mut config = NodeConfig::default();
        assert!(config.admin_access().unwrap().is_none(), "off unless it is asked for");
        config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        config.admin.token_file = Some(path.clone());
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let refused = || config.admin_access().unwrap_err().to_string();
        assert!(refused().contains("No such file"));
        write(GOOD, 0o644);
        let words = refused();
        assert!(words.contains("admin.token_file") && words.contains("mode 644"), "{words}");
        assert!(words.contains("umask 077") && !words.contains(GOOD), "{words}");
        write(&GOOD[2..], 0o600);
        assert!(refused().contains("32 letters") && !refused().contains(&GOOD[2..]));
        write(&format!("{GOOD}\n"), 0o600);
        assert!(config.admin_access().unwrap().unwrap().1.is(GOOD.as_bytes()));
    }
}
