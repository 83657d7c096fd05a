//! The catalogue of attack types.

use std::{fmt, str::FromStr};

/// Declares the catalogue once: variant, code, bit, name.
macro_rules! attack_types {
    ($($variant:ident, $code:literal, $bit:literal, $name:literal;)+) => {
        /// What kind of attack a finding is.
        ///
        /// The discriminant is the type's number and its bit in the attack mask of access logs.
        /// Source: Wallarm documentation, "Attack and vulnerability types" and "Working with filter node logs".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum AttackType {
            $(#[doc = $name] $variant = $bit,)+
        }

        impl AttackType {
            /// Every type that the engine can report, by number.
            pub const ALL: &'static [AttackType] = &[$(AttackType::$variant),+];

            /// The code used in queries, metrics and the API, for example `sqli`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(AttackType::$variant => $code,)+
                }
            }

            /// The name shown to people.
            pub fn name(self) -> &'static str {
                match self {
                    $(AttackType::$variant => $name,)+
                }
            }
        }
    };
}

attack_types! {
    Xss, "xss", 1, "Cross-site scripting";
    Sqli, "sqli", 2, "SQL injection";
    Rce, "rce", 3, "Remote code execution";
    Xxe, "xxe", 4, "XML external entity";
    Ptrav, "ptrav", 5, "Path traversal";
    Crlf, "crlf", 6, "CRLF injection";
    Redir, "redir", 7, "Open redirect";
    Nosqli, "nosqli", 8, "NoSQL injection";
    Ldapi, "ldapi", 13, "LDAP injection";
    Scanner, "scanner", 14, "Resource scanning";
    MassAssignment, "mass_assignment", 17, "Mass assignment";
    Ssrf, "ssrf", 19, "Server-side request forgery";
    Ssi, "ssi", 25, "Server-side includes";
    MailInjection, "mail_injection", 26, "Mail injection";
    Ssti, "ssti", 27, "Server-side template injection";
    InvalidXml, "invalid_xml", 28, "Invalid XML";
    OverlimitRes, "overlimit_res", 29, "Resource overlimit";
    DataBomb, "data_bomb", 30, "Data bomb";
}

impl AttackType {
    /// The type's bit in the attack mask.
    pub fn mask(self) -> u64 {
        1 << (self as u8)
    }
}

impl fmt::Display for AttackType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AttackType {
    type Err = UnknownAttackType;

    fn from_str(text: &str) -> Result<Self, UnknownAttackType> {
        let known = AttackType::ALL.iter().find(|kind| kind.as_str() == text);
        known.copied().ok_or_else(|| UnknownAttackType(text.to_owned()))
    }
}

/// An attack type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attack type {0:?} is unknown")]
pub struct UnknownAttackType(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for kind in AttackType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
    }

    #[test]
    fn masks_are_the_documented_bits() {
        assert_eq!(AttackType::Xss.mask(), 0x2);
        assert_eq!(AttackType::Sqli.mask(), 0x4);
        assert_eq!(AttackType::Ptrav.mask(), 0x20);
    }
}
