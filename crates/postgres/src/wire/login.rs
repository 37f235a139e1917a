//! The start of a session: what the server is told first, and how the user is authenticated.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::connect::{Opened, unavailable};
use super::{READ, Socket, WireConnection, io_error, out_of_step, server_error};
use crate::address::{Address, ChannelBindingMode, Host};
use crate::error::Error;
use crate::route::Route;
use crate::tls::TlsInfo;

/// What a server has said by the time it is ready.
#[derive(Debug, Default)]
pub(crate) struct SessionInfo {
    /// Which one it is, for people.
    pub(crate) server: String,
    pub(crate) tls: Option<TlsInfo>,
    /// Encrypted or not, it is what `sslmode` tried second.
    pub(crate) is_fallback: bool,
    /// The settings that it reports, `server_version` for one.
    pub(crate) parameters: Vec<(String, String)>,
    /// What a request to cancel has to show.
    pub(crate) process_id: i32,
    pub(crate) secret_key: i32,
}

/// A login to one host.
pub(super) struct Login<'a> {
    pub(super) route: &'a Route,
    pub(super) host: &'a Host,
}

impl Login<'_> {
    pub(super) async fn run(
        &self,
        socket: Box<dyn Socket>,
        tls: Option<TlsInfo>,
    ) -> Result<Opened, Error> {
        let mut connection = WireConnection {
            socket,
            received: BytesMut::with_capacity(2 * READ),
            is_ready: false,
        };
        let mut facts = SessionInfo {
            server: self.host.shown(),
            tls,
            ..SessionInfo::default()
        };
        self.start(&mut connection).await?;
        self.authenticate(&mut connection, &facts).await?;
        connection.until_ready(&mut facts).await?;
        if let Some(settings) = self.route.settings_to_send() {
            connection.query(&settings).await?;
        }
        Ok(Opened { connection, facts })
    }

    fn address(&self) -> &Address {
        self.route.address()
    }

    async fn start(&self, connection: &mut WireConnection) -> Result<(), Error> {
        let address = self.address();
        // The last three as sqlx has them: a view's column without a time zone is cast to one.
        let mut parameters = vec![
            ("user", address.user.as_str()),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        let options = self.route.startup_options();
        let others = [
            ("database", address.database.as_deref()),
            ("application_name", address.application_name.as_deref()),
            ("options", options.as_deref()),
        ];
        parameters.extend(
            others
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut message = BytesMut::new();
        frontend::startup_message(parameters, &mut message).map_err(io_error)?;
        connection.send(&message).await
    }

    async fn authenticate(
        &self,
        connection: &mut WireConnection,
        facts: &SessionInfo,
    ) -> Result<(), Error> {
        let mut method = "none";
        let mut is_bound = false;
        loop {
            match connection.message().await? {
                Message::AuthenticationOk => {
                    self.allow(method)?;
                    return if self.address().channel_binding == ChannelBindingMode::Require
                        && !is_bound
                    {
                        Err(refused(
                            "channel_binding=require, and the server does not bind the login",
                        ))
                    } else {
                        Ok(())
                    };
                }
                Message::AuthenticationCleartextPassword => {
                    method = "password";
                    self.allow_secret(method)?;
                    connection
                        .send_password(self.password()?.as_bytes())
                        .await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    method = "md5";
                    self.allow_secret(method)?;
                    let (user, password) = (&self.address().user, self.password()?);
                    let hash = md5_hash(user.as_bytes(), password.as_bytes(), body.salt());
                    connection.send_password(hash.as_bytes()).await?;
                }
                Message::AuthenticationSasl(body) => {
                    method = "scram-sha-256";
                    self.allow(method)?;
                    is_bound = self.scram(connection, &body, facts).await?;
                }
                Message::AuthenticationGss | Message::AuthenticationKerberosV5 => {
                    return Err(unsupported("GSSAPI"));
                }
                Message::AuthenticationSspi => return Err(unsupported("SSPI")),
                _ => return Err(unsupported("a kind that is not known")),
            }
        }
    }

    fn allow(&self, method: &str) -> Result<(), Error> {
        match &self.address().required_auth {
            Some(required) if !required.allows(method) => Err(refused(&format!(
                "the server authenticates by {method}, which require_auth does not allow"
            ))),
            _ => Ok(()),
        }
    }

    /// Before a secret is sent in a form that the server, or who claims to be it, can use.
    fn allow_secret(&self, method: &str) -> Result<(), Error> {
        if self.address().channel_binding == ChannelBindingMode::Require {
            return Err(refused(&format!(
                "channel_binding=require, and the server authenticates by {method}"
            )));
        }
        self.allow(method)
    }

    fn password(&self) -> Result<&str, Error> {
        if let Some(password) = &self.host.password {
            return Ok(&password.0);
        }
        let problem = &self.address().passfile_problem;
        Err(refused(&match problem {
            Some(problem) => format!("the server asks for a password: {problem}"),
            None => "the server asks for a password, and none is given".to_owned(),
        }))
    }

    /// Whether the login is bound to the TLS session.
    async fn scram(
        &self,
        connection: &mut WireConnection,
        body: &AuthenticationSaslBody,
        facts: &SessionInfo,
    ) -> Result<bool, Error> {
        let offered: Vec<_> = body.mechanisms().collect().map_err(io_error)?;
        let binding = self.address().channel_binding;
        let end_point = facts.tls.as_ref().and_then(|tls| tls.end_point.clone());
        let end_point = end_point.filter(|_| binding != ChannelBindingMode::Disable);
        let (mechanism, channel) = match end_point {
            Some(hash) if offered.contains(&SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash),
            ),
            _ if binding == ChannelBindingMode::Require => {
                return Err(refused(
                    "channel_binding=require, and the server or the connection has none",
                ));
            }
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offered.contains(&mechanism) {
            return Err(unsupported(&offered.join(", ")));
        }
        let mut scram = ScramSha256::new(self.password()?.as_bytes(), channel);
        let mut message = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut message)
            .map_err(io_error)?;
        connection.send(&message).await?;
        let Message::AuthenticationSaslContinue(body) = connection.message().await? else {
            return Err(out_of_step());
        };
        scram.update(body.data()).map_err(io_error)?;
        message.clear();
        frontend::sasl_response(scram.message(), &mut message).map_err(io_error)?;
        connection.send(&message).await?;
        let Message::AuthenticationSaslFinal(body) = connection.message().await? else {
            return Err(out_of_step());
        };
        scram.finish(body.data()).map_err(io_error)?;
        Ok(mechanism == SCRAM_SHA_256_PLUS)
    }
}

impl WireConnection {
    /// Takes what the server says of itself before it is ready.
    async fn until_ready(&mut self, facts: &mut SessionInfo) -> Result<(), Error> {
        loop {
            match Message::parse(&mut self.received).map_err(|_| out_of_step())? {
                None => self.receive().await?,
                Some(Message::ErrorResponse(body)) => return Err(server_error::of(&body)),
                Some(Message::ParameterStatus(body)) => {
                    let name = body.name().map_err(io_error)?.to_owned();
                    let value = body.value().map_err(io_error)?.to_owned();
                    facts.parameters.push((name, value));
                }
                Some(Message::BackendKeyData(body)) => {
                    facts.process_id = body.process_id();
                    facts.secret_key = body.secret_key();
                }
                Some(Message::ReadyForQuery(_)) => {
                    self.is_ready = true;
                    return Ok(());
                }
                Some(Message::NoticeResponse(_) | Message::NotificationResponse(_)) => {}
                Some(_) => return Err(out_of_step()),
            }
        }
    }

    async fn send_password(&mut self, password: &[u8]) -> Result<(), Error> {
        let mut message = BytesMut::new();
        frontend::password_message(password, &mut message).map_err(io_error)?;
        self.send(&message).await
    }
}

fn unsupported(method: &str) -> Error {
    refused(&format!(
        "the server wants authentication by {method}, which is not supported"
    ))
}

fn refused(text: &str) -> Error {
    unavailable(io::ErrorKind::PermissionDenied, text)
}
