//! The command line.

pub(crate) const HELP: &str = "\
A chat room for browsers.

usage: chat [--listen ADDRESS] [--host NAME[:PORT]]...

  --listen ADDRESS    where to listen (127.0.0.1:9001); with port 0, on a free port
  --host NAME[:PORT]  another host name of the chat, for example behind a proxy
  --help              this text
";

/// What the command line says.
pub(crate) struct Options {
    pub(crate) listen: String,
    /// Other host names of the chat.
    pub(crate) hosts: Vec<String>,
}

/// Returns the options, or `None` if the help is asked for.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        listen: "127.0.0.1:9001".to_owned(),
        hosts: Vec::new(),
    };
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--listen" => options.listen = value()?,
            "--host" => options.hosts.push(value()?),
            _ => return Err(format!("there is no option {option:?}")),
        }
    }
    Ok(Some(options))
}
