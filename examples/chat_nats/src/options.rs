//! The command line.

pub(crate) const HELP: &str = "\
One chat room on several servers, which share it over the broker NATS.

usage: chat_nats [--server NAME] [--listen ADDRESS] [--broker ADDRESS]

  --server NAME     the name of this server, letters and digits (a); each server needs its own
  --listen ADDRESS  where to listen (127.0.0.1:9001); with port 0, on a free port
  --broker ADDRESS  the NATS server, with JetStream (127.0.0.1:4222)
  --help            this text
";

/// What the command line says.
pub(crate) struct Options {
    pub(crate) server: String,
    pub(crate) listen: String,
    pub(crate) broker: String,
}

/// Returns the options, or `None` if the help is asked for.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        server: "a".to_owned(),
        listen: "127.0.0.1:9001".to_owned(),
        broker: "127.0.0.1:4222".to_owned(),
    };
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--server" => options.server = value()?,
            "--listen" => options.listen = value()?,
            "--broker" => options.broker = value()?,
            _ => return Err(format!("there is no option {option:?}")),
        }
    }
    // The name is part of the names of guests: with spaces or parentheses, it could look like
    // another server.
    let is_name = |name: &str| !name.is_empty() && name.len() <= 32 && name.chars().all(char::is_alphanumeric);
    if !is_name(&options.server) {
        return Err(format!("{:?} is no name of a server", options.server));
    }
    Ok(Some(options))
}
