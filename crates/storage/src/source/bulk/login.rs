//! How a connection comes about: where the server is, what it is told first, how it is convinced.
//!
//! Address and credentials are sqlx's, so that a URL means the same for every connection. Where it
//! wants what is not spoken here, there is no connection of this kind.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use percent_encoding::percent_decode_str;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::tls::Tls;
use super::{BulkConnection, READ, Socket, io_error, out_of_step};
use crate::error::Error;

/// Who logs in.
struct Credentials {
    user: String,
    password: String,
}

pub(super) async fn open(options: &PgConnectOptions) -> Result<Option<BulkConnection>, Error> {
    let Some(socket) = connect(options).await.map_err(io_error)? else {
        return Ok(None);
    };
    let mut connection = BulkConnection {
        socket,
        received: BytesMut::with_capacity(2 * READ),
        is_ready: false,
    };
    let credentials = Credentials::of(options);
    connection.start(options, &credentials.user).await?;
    connection.log_in(&credentials).await
}

/// `None` where more is called for than `tls` does.
async fn connect(options: &PgConnectOptions) -> io::Result<Option<Box<dyn Socket>>> {
    let (host, port) = (options.get_host(), options.get_port());
    let folder = options.get_socket().map(|path| path.display().to_string());
    let folder = folder.or_else(|| host.starts_with('/').then(|| host.to_owned()));
    if let Some(folder) = folder {
        // The server offers no TLS there.
        let socket = UnixStream::connect(format!("{folder}/.s.PGSQL.{port}")).await?;
        return Ok(Some(Box::new(socket)));
    }
    // An IPv6 address out of a URL is in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let to_server = async {
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        Ok::<_, io::Error>(socket)
    };
    match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => Ok(Some(Box::new(to_server.await?))),
        PgSslMode::Prefer => {
            let mut socket = to_server.await?;
            let speaks_plainly = !offers_tls(&mut socket).await?;
            Ok(speaks_plainly.then(|| -> Box<dyn Socket> { Box::new(socket) }))
        }
        PgSslMode::VerifyFull => {
            let Some(tls) = Tls::of(options, host) else {
                return Ok(None);
            };
            let mut socket = to_server.await?;
            if !offers_tls(&mut socket).await? {
                return Err(io::Error::other("server does not support TLS"));
            }
            Ok(Some(Box::new(tls.connect(socket).await?)))
        }
        PgSslMode::Require | PgSslMode::VerifyCa => Ok(None),
    }
}

async fn offers_tls(socket: &mut TcpStream) -> io::Result<bool> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    Ok(socket.read_u8().await? == b'S')
}

/// What sqlx tells in a URL only (password, certificates), beside parts that always make one: not
/// every host or user does.
pub(super) fn fit_for_a_url(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().host("localhost").username("user")
}

impl Credentials {
    fn of(options: &PgConnectOptions) -> Self {
        let url = fit_for_a_url(options).to_url_lossy();
        let password = url.password().unwrap_or_default();
        Self {
            user: options.get_username().to_owned(),
            password: percent_decode_str(password).decode_utf8_lossy().into(),
        }
    }
}

impl BulkConnection {
    async fn start(&mut self, options: &PgConnectOptions, user: &str) -> Result<(), Error> {
        // The last three as sqlx has them: a view's column without a time zone is cast to one.
        let mut parameters = vec![
            ("user", user),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        let others = [
            ("database", options.get_database()),
            ("application_name", options.get_application_name()),
            ("options", options.get_options()),
        ];
        parameters.extend(
            others
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut message = BytesMut::new();
        frontend::startup_message(parameters, &mut message).map_err(io_error)?;
        self.send(&message).await
    }

    /// `None` where the server wants to be convinced in another way than by a password.
    async fn log_in(mut self, credentials: &Credentials) -> Result<Option<Self>, Error> {
        loop {
            match self.message().await? {
                Message::AuthenticationOk | Message::BackendKeyData(_) => {}
                Message::AuthenticationCleartextPassword => {
                    self.send_password(credentials.password.as_bytes()).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let (user, password) = (&credentials.user, &credentials.password);
                    let hash = md5_hash(user.as_bytes(), password.as_bytes(), body.salt());
                    self.send_password(hash.as_bytes()).await?;
                }
                Message::AuthenticationSasl(body) => {
                    let mechanisms: Vec<_> = body.mechanisms().collect().map_err(io_error)?;
                    if !mechanisms.contains(&SCRAM_SHA_256) {
                        return Ok(None);
                    }
                    self.scram(&credentials.password).await?;
                }
                Message::ReadyForQuery(_) => {
                    self.is_ready = true;
                    return Ok(Some(self));
                }
                _ => return Ok(None),
            }
        }
    }

    async fn send_password(&mut self, password: &[u8]) -> Result<(), Error> {
        let mut message = BytesMut::new();
        frontend::password_message(password, &mut message).map_err(io_error)?;
        self.send(&message).await
    }

    async fn scram(&mut self, password: &str) -> Result<(), Error> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut message = BytesMut::new();
        frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut message)
            .map_err(io_error)?;
        self.send(&message).await?;
        let Message::AuthenticationSaslContinue(body) = self.message().await? else {
            return Err(out_of_step());
        };
        scram.update(body.data()).map_err(io_error)?;
        message.clear();
        frontend::sasl_response(scram.message(), &mut message).map_err(io_error)?;
        self.send(&message).await?;
        let Message::AuthenticationSaslFinal(body) = self.message().await? else {
            return Err(out_of_step());
        };
        scram.finish(body.data()).map_err(io_error)
    }
}
