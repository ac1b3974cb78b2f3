//! Lints of `[mail]`.

use super::super::Config;
use super::super::folder::Folder;
use super::super::problem::Problem;
use super::super::resolve::is_here;
use super::{span, warning};
use cofferdam_outbound::MailTls;

pub(super) fn lint(config: &Config, folder: &Folder, problems: &mut Vec<Problem>) {
    let (source, main) = &folder.main;
    let (Some(mail), Some(section)) = (&config.mail, &main.mail) else {
        return;
    };
    if mail.tls == MailTls::None && !is_here(&mail.host) {
        problems.push(warning(
            source,
            "plain_mail",
            span(&section.tls),
            "mails go to another machine without TLS: whoever is on the way reads them",
            "set tls = \"starttls\" or \"tls\"",
        ));
    }
    if mail.recipients.is_empty() {
        problems.push(warning(
            source,
            "no_mail_recipients",
            span(&section.from),
            "nobody may be sent to, so no mail goes out",
            "list addresses or domains in recipients, e.g. [\"example.com\"]",
        ));
    }
}
