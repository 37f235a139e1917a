//! The start of a session: startup parameters, authentication, and the server's reports.

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::authentication::Authentication;
use super::connection::{Socket, WireConnection, io_error, server_error};
use crate::address::{Address, Host};
use crate::error::Error;
use crate::tls::TlsInfo;

/// A connection that is logged in, and its session.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: WireConnection,
    pub(crate) info: SessionInfo,
}

/// What is known of a session after its login.
#[derive(Debug, Default)]
pub(crate) struct SessionInfo {
    /// The server's host and port, for messages.
    pub(crate) server: String,
    pub(crate) tls: Option<TlsInfo>,
    /// Whether the first try of `sslmode` failed and this is the second, with or without TLS.
    pub(crate) is_fallback: bool,
    /// The settings that the server reports, such as `server_version`.
    pub(crate) parameters: Vec<(String, String)>,
    /// With `secret_key`: the key of a cancel request.
    pub(crate) process_id: i32,
    pub(crate) secret_key: i32,
}

/// The settings of a new session.
#[derive(Debug)]
pub(crate) struct StartupSettings {
    /// The `options` of the startup message.
    pub(crate) options: Option<String>,
    /// `SET` statements after the login, for poolers that refuse such options.
    pub(crate) statements: Option<String>,
}

/// Logs in to one host.
pub(super) struct Login<'a> {
    pub(super) address: &'a Address,
    pub(super) host: &'a Host,
    pub(super) settings: &'a StartupSettings,
}

impl Login<'_> {
    pub(super) async fn run(
        &self,
        socket: Box<dyn Socket>,
        tls: Option<TlsInfo>,
    ) -> Result<Opened, Error> {
        let mut connection = WireConnection::before_login(socket);
        self.send_startup(&mut connection).await?;
        let authentication = Authentication {
            address: self.address,
            host: self.host,
            tls: tls.as_ref(),
        };
        authentication.run(&mut connection).await?;
        let mut info = SessionInfo {
            server: self.host.shown(),
            tls,
            ..SessionInfo::default()
        };
        wait_until_ready(&mut connection, &mut info).await?;
        if let Some(statements) = &self.settings.statements {
            connection.query(statements).await?;
        }
        Ok(Opened { connection, info })
    }

    async fn send_startup(&self, connection: &mut WireConnection) -> Result<(), Error> {
        let address = self.address;
        // The last three are as in sqlx: a view may cast a column without a time zone to one with it.
        let mut parameters = vec![
            ("user", address.user.as_str()),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        let optional = [
            ("database", address.database.as_deref()),
            ("application_name", address.application_name.as_deref()),
            ("options", self.settings.options.as_deref()),
        ];
        parameters.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut message = BytesMut::new();
        frontend::startup_message(parameters, &mut message).map_err(io_error)?;
        connection.send(&message).await
    }
}

/// Reads the server's reports until it is ready for the first statement.
async fn wait_until_ready(
    connection: &mut WireConnection,
    info: &mut SessionInfo,
) -> Result<(), Error> {
    loop {
        let message = Message::parse(&mut connection.received);
        match message.map_err(|_| Error::UnexpectedMessage)? {
            None => connection.receive().await?,
            Some(Message::ErrorResponse(body)) => return Err(server_error(&body)),
            Some(Message::ParameterStatus(body)) => {
                let name = body.name().map_err(io_error)?.to_owned();
                let value = body.value().map_err(io_error)?.to_owned();
                info.parameters.push((name, value));
            }
            Some(Message::BackendKeyData(body)) => {
                info.process_id = body.process_id();
                info.secret_key = body.secret_key();
            }
            Some(Message::ReadyForQuery(_)) => {
                connection.is_ready = true;
                return Ok(());
            }
            Some(Message::NoticeResponse(_) | Message::NotificationResponse(_)) => {}
            Some(_) => return Err(Error::UnexpectedMessage),
        }
    }
}
