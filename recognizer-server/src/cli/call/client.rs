//! The way to the server: address, encryption, token, patience.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::CliError;
use crate::grpc::contract::identify_client::IdentifyClient;
use crate::grpc::proto::recognizer_client::RecognizerClient;
use crate::grpc::{code_name, token};

/// Longest answer: a hundred faces with their embeddings fit many times.
const MAX_ANSWER: usize = 64 << 20;

/// The connection that calls go over.
pub(super) type Connection = InterceptedService<Channel, Manners>;

/// Where the server is, and what it asks of its clients.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection options")]
pub(super) struct ClientOptions {
    /// Address of the server; a wildcard such as [::] means this host
    #[arg(long, env = "FACERECOG_ADDRESS", value_name = "HOST:PORT", default_value = "localhost:50051")]
    address: String,
    /// Authorities that the server's certificate may be of; turns TLS on
    #[arg(long, env = "FACERECOG_CALL_CA", value_name = "PEM")]
    ca: Option<PathBuf>,
    /// Certificate to show to the server
    #[arg(long, env = "FACERECOG_CALL_CERT", value_name = "PEM", requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,
    /// Private key of the certificate
    #[arg(long, env = "FACERECOG_CALL_KEY", value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
    /// Name that the server's certificate must bear [default: the host of the address]
    #[arg(long, env = "FACERECOG_CALL_SERVER_NAME", value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
    /// File with the token that changes of the gallery must bear
    #[arg(long, env = "FACERECOG_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Longest time to wait for an answer [default: 30, for reindex any]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Client {
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
}

impl Client {
    /// Connects, or says why that failed.
    pub(super) async fn connect(options: &ClientOptions) -> Result<Self, CliError> {
        let token = options.token_file.as_deref().map(bearer).transpose()?;
        let timeout = options.timeout.map(Duration::from_secs);
        let uri = uri(&options.address, options.ca.is_some());
        let mut endpoint = Endpoint::from_shared(uri.clone())
            .map_err(|error| CliError::Usage(format!("--address {}: {error}", options.address)))?
            .connect_timeout(timeout.unwrap_or(DEFAULT_TIMEOUT));
        if let Some(ca) = &options.ca {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
                tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
            }
            if let Some(name) = &options.server_name {
                tls = tls.domain_name(name);
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| CliError::Usage(with_causes(&error)))?;
        }
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| CliError::Failed(format!("could not reach {uri}: {}", with_causes(&error))))?;
        Ok(Self { channel, token, timeout })
    }

    /// For the original contract.
    pub(super) fn identify(&self) -> IdentifyClient<Connection> {
        IdentifyClient::new(self.connection(Some(DEFAULT_TIMEOUT)))
    }

    /// For our own API.
    pub(super) fn recognizer(&self) -> RecognizerClient<Connection> {
        RecognizerClient::new(self.connection(Some(DEFAULT_TIMEOUT))).max_decoding_message_size(MAX_ANSWER)
    }

    /// For our own API, for a call that takes as long as it takes.
    pub(super) fn patient_recognizer(&self) -> RecognizerClient<Connection> {
        RecognizerClient::new(self.connection(None)).max_decoding_message_size(MAX_ANSWER)
    }

    /// What other clients are made of.
    pub(super) fn connection(&self, default_timeout: Option<Duration>) -> Connection {
        let manners = Manners { token: self.token.clone(), timeout: self.timeout.or(default_timeout) };
        InterceptedService::new(self.channel.clone(), manners)
    }
}

/// How long an answer is waited for.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Adds to every call what the server needs beside the message.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    token: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
}

impl Interceptor for Manners {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        Ok(request)
    }
}

/// What went wrong with a call, for people: `NOT_FOUND: /photo.jpg: no such file`.
pub(super) fn describe(status: &Status) -> String {
    let mut text = format!("{}: {}", code_name(status.code()), status.message());
    if let Some(delay) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        text.push_str(&format!(" (in {:.1} s)", delay.as_secs_f64()));
    }
    text
}

/// The code for programs: that of the server where it gave one, else that of gRPC.
pub(super) fn reason(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason).filter(|reason| !reason.is_empty());
    reason.unwrap_or_else(|| code_name(status.code()).to_ascii_lowercase())
}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        Self::Failed(describe(&status))
    }
}

fn bearer(path: &Path) -> Result<MetadataValue<Ascii>, CliError> {
    let token = token(path).map_err(|error| CliError::Usage(error.to_string()))?;
    let mut value = b"Bearer ".to_vec();
    value.extend(token);
    let mut value = MetadataValue::try_from(value.as_slice())
        .map_err(|_| CliError::Usage(format!("{}: holds no token", path.display())))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))
}

fn uri(address: &str, tls: bool) -> String {
    if address.contains("://") {
        return address.to_owned();
    }
    let host_and_port = match address.strip_prefix("[::]:").or_else(|| address.strip_prefix("0.0.0.0:")) {
        Some(port) => format!("localhost:{port}"),
        None => address.to_owned(),
    };
    format!("{}://{host_and_port}", if tls { "https" } else { "http" })
}

/// An error and what led to it: the outermost of a transport only says that it failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_one_of_a_client_as_well() {
        assert_eq!(uri("[::]:50051", false), "http://localhost:50051");
        assert_eq!(uri("0.0.0.0:6000", true), "https://localhost:6000");
        assert_eq!(uri("faces.example.org:443", true), "https://faces.example.org:443");
        assert_eq!(uri("http://127.0.0.1:1", true), "http://127.0.0.1:1");
    }
}
