//! The rows of key names of credentials, which nobody gets in any form.
//!
//! Invariant: where a secret's phrase and another row's both match a key, the secret wins.

use super::{FieldKind, Rule, Types, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "key.password",
        "user.authorization.password",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a password, passphrase or PIN",
        "pin, pwd, pass",
        "password, pass word, passwd, passphrase, pass phrase, passcode, pass code, passwort, kennwort, \
         contrasena, mot de passe, pwd, pin number, user pin, card pin, password hash, new password, old \
         password, current password, confirm password, password confirmation, credential, credentials",
    ),
    rule(
        "key.one_time_code",
        "user.authorization.credentials",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a one-time code or recovery secret",
        "code, oobCode, oob_code, 2fa",
        "otp, otp code, totp, mfa code, two factor code, 2fa code, verification code, confirmation code, \
         recovery code, recovery codes, backup code, backup codes, sms code, login code, auth code, \
         authorization code, magic link, reset code, seed phrase, mnemonic, security answer, security \
         question, invite code, device code, user code, activation code, one time code, access code, code \
         verifier, code challenge",
    ),
    rule(
        "key.token",
        "secret",
        FieldKind::Plain,
        Types::TEXT,
        "an access token or signed link",
        "token, sig, sid, $sentry_token, nonce, signature",
        "access token, refresh token, id token, auth token, bearer, bearer token, jwt, session token, \
         csrf token, csrf, xsrf token, xsrf, reset token, password reset token, invite token, api token, \
         oauth token, verification token, confirm token, confirmation token, security token, user token, \
         login token, remember token, personal access token, pat, unsubscribe token, magic token, sso \
         token, saml response, saml request, samlresponse, signed url, presigned url, upload url, hmac, x \
         amz signature, x amz credential, x amz security token, x goog signature, sas token, ticket \
         token, token",
    ),
    rule(
        "key.api_key",
        "secret",
        FieldKind::Plain,
        Types::TEXT,
        "an API key, private key or other secret",
        "key, dsn, pem",
        "api key, apikey, secret, secret key, client secret, private key, signing key, encryption key, \
         access key, access key id, master key, app secret, webhook secret, service key, ssh key, license \
         key, secret access key, shared secret, consumer secret, deploy key, publishable key, x api key, \
         connection string, database url, keystore, hmac key, aws access key, subscription key, account \
         key, server key",
    ),
    rule(
        "key.authorization",
        "secret",
        FieldKind::Plain,
        Types::TEXT,
        "an authorization header or session cookie",
        "cookie, cookies, connect.sid",
        "authorization, authorization header, auth header, proxy authorization, www authenticate, cookie, \
         cookie header, set cookie, cookies, jsessionid, phpsessid, asp net session id, session cookie, \
         session key, session secret, sessionid cookie, basic auth, cookie jar, document cookie",
    ),
];
