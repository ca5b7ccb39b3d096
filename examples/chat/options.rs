//! The command line.

pub(crate) const HELP: &str = "\
A chat room for browsers.

usage: chat [--listen ADDRESS] [--host NAME[:PORT]]... [--until-eof]

  --listen ADDRESS    where to listen (127.0.0.1:9001); with port 0, on a free port
  --host NAME[:PORT]  another host name of the chat, for example behind a proxy
  --until-eof         end at the end of the standard input
  --help              this text

At its end, also after Ctrl-C, the chat closes the connections of its guests with code 1001.
";

/// What the command line says.
pub(crate) struct Options {
    pub(crate) listen: String,
    /// Other host names of the chat.
    pub(crate) hosts: Vec<String>,
    /// Whether the end of the standard input ends the chat.
    pub(crate) until_eof: bool,
}

/// Returns the options, or `None` if the help is asked for.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        listen: "127.0.0.1:9001".to_owned(),
        hosts: Vec::new(),
        until_eof: false,
    };
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--listen" => options.listen = value()?,
            "--host" => options.hosts.push(value()?),
            "--until-eof" => options.until_eof = true,
            _ => return Err(format!("there is no option {option:?}")),
        }
    }
    Ok(Some(options))
}
