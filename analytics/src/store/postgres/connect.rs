//! Connections to PostgreSQL.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Longest time that a query may take on the server.
pub(super) const QUERY_DEADLINE: Duration = Duration::from_secs(5);
/// Longest time for a connection to come about, or to wait for a free one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections for writing: the applier has one at a time, retention another.
const WRITERS: usize = 2;
/// Connections for queries; further queries wait.
const READERS: usize = 8;

/// Where the database is, and whom to trust.
///
/// TLS is used where the server offers it, unless `sslmode` says `disable` (never) or `require` (or fail); certificates
/// are verified whenever it is used.
#[derive(Clone)]
pub struct Server {
    config: Config,
    /// File with certificates to trust in place of those of the system.
    ca: Option<PathBuf>,
}

/// A text that is no address of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require")]
pub struct InvalidServer;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer, or not to us.
    #[error("cannot connect to the database at {server}")]
    Unreachable {
        /// The address, without password.
        server: String,
        /// Why.
        source: PoolError,
    },
    /// Certificates to trust cannot be loaded.
    #[error("cannot load certificates from {from}")]
    Certificates {
        /// Where from.
        from: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was written by a newer version of this program.
    #[error(
        "the database was written by a newer version (schema {found}, this version knows {known}): \
         start that version, or give another database"
    )]
    Newer {
        /// Its schema version.
        found: i32,
        /// The newest that this program knows.
        known: i32,
    },
    /// Its tables cannot be made or read.
    #[error("cannot prepare the tables")]
    Prepare(#[from] tokio_postgres::Error),
}

// === impl Server ===

impl Server {
    /// The same server, trusting only the certificates in a PEM file.
    pub fn with_ca(self, ca: Option<PathBuf>) -> Server {
        Server { ca, ..self }
    }

    /// Pools for writing and for queries.
    pub(super) fn pools(&self) -> Result<(Pool, Pool), ConnectError> {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name("analytics");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let mut reading = config.clone();
        let options = format!(
            "{} -c default_transaction_read_only=on -c statement_timeout={}",
            config.get_options().unwrap_or_default(),
            QUERY_DEADLINE.as_millis()
        );
        reading.options(options.trim_start());
        Ok((self.pool(config, WRITERS)?, self.pool(reading, READERS)?))
    }

    fn pool(&self, config: Config, size: usize) -> Result<Pool, ConnectError> {
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = if config.get_ssl_mode() == SslMode::Disable {
            Manager::from_config(config, NoTls, manager_config)
        } else {
            let tls = MakeRustlsConnect::new(self.tls()?);
            Manager::from_config(config, tls, manager_config)
        };
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT));
        pool.build().map_err(|error| ConnectError::Unreachable {
            server: self.to_string(),
            source: PoolError::PostCreateHook(deadpool_postgres::HookError::message(error.to_string())),
        })
    }

    fn tls(&self) -> Result<ClientConfig, ConnectError> {
        let roots = match &self.ca {
            Some(path) => roots_of(path),
            None => Ok(system_roots()),
        };
        let failed = |source| ConnectError::Certificates {
            from: self
                .ca
                .as_ref()
                .map_or("the system".to_owned(), |path| path.display().to_string()),
            source,
        };
        let provider = rustls::crypto::ring::default_provider();
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.into()))?;
        Ok(config
            .with_root_certificates(roots.map_err(failed)?)
            .with_no_client_auth())
    }

    pub(super) fn unreachable(&self, source: PoolError) -> ConnectError {
        ConnectError::Unreachable {
            server: self.to_string(),
            source,
        }
    }
}

impl FromStr for Server {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(InvalidServer);
        }
        // The parser's own errors repeat parts of the text, which may be those of the password.
        let config: Config = text.parse().map_err(|_| InvalidServer)?;
        if config.get_hosts().is_empty() {
            return Err(InvalidServer);
        }
        Ok(Server { config, ca: None })
    }
}

impl fmt::Display for Server {
    /// Hosts and database, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match host {
                tokio_postgres::config::Host::Tcp(name) => write!(f, "{comma}{name}")?,
                tokio_postgres::config::Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = ports.get(at).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other("it holds no certificate").into());
    }
    Ok(roots)
}

/// What the system trusts. Certificates that cannot be read are left out: a server that needs them is refused later.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        let server: Server = "postgres://waf:hunter2@db1:5433,db2/shop?sslmode=require"
            .parse()
            .unwrap();
        assert_eq!(server.to_string(), "db1:5433,db2:5432/shop");
        assert_eq!(format!("{server:?}"), "db1:5433,db2:5432/shop");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "sqlite",
            "mysql://a/b",
            "postgres://",
            "postgres://u:hunter2@h/d?port=x",
            "host=a user=b",
        ] {
            assert_eq!(text.parse::<Server>().unwrap_err(), InvalidServer, "{text}");
        }
    }
}
