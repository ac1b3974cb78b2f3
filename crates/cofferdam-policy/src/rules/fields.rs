//! The rows of common key names for people, accounts, organizations, places, money and government ids.
//!
//! A phrase matches whole words of a key in any spelling (`user_email`, `customerEmail`, `billing-email`, `contact.email`).
//! Invariant: a phrase stands in one row only.

use super::{FieldKind, Rule, Types, rule};
use cofferdam_model::IdKind;

pub(super) const RULES: &[Rule] = &[
    rule(
        "key.email",
        "user.contact.email",
        FieldKind::Plain,
        Types::TEXT,
        "an e-mail address, or its hash",
        "$email, em, cc, bcc, recipient, recipients",
        "email, e mail, mail, email address, mail address, emails, correo, courriel, email hash, hashed \
         email, email md5, email sha, md5 email, sha email, mailto, reply to, mail to",
    ),
    rule(
        "key.phone",
        "user.contact.phone_number",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a phone number",
        "$phone",
        "phone, phone number, telephone, tel, mobile, mobile number, mobile phone, cell, cell phone, \
         cellphone, msisdn, telefon, telefono, handy, handynummer, whatsapp, sms number, phone no, \
         landline, caller id, contact number, telefonnummer",
    ),
    rule(
        "key.fax",
        "user.contact.fax_number",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a fax number",
        "",
        "fax, fax number, telefax",
    ),
    rule(
        "key.name",
        "user.name",
        FieldKind::Plain,
        Types::TEXT,
        "a person's name",
        "$name, name, nom, nombre, owner, author",
        "full name, display name, real name, person name, contact name, customer name, client name, \
         member name, owner name, author name, assignee, assignee name, employee name, patient name, \
         recipient name, sender name, cardholder, cardholder name, card holder, account holder, holder \
         name, legal name, maiden name, middle name, nick name, preferred name, admin name, agent name, \
         manager name, guest name, passenger name, invitee, invitee name, inviter, inviter name, given \
         names, vollname, beneficiary, beneficiary name, next of kin, emergency contact, signatory, \
         approver, reviewer, lead name, attendee, attendee name, student name, teacher name, sales rep, \
         account manager, created by, updated by, invited by, approved by, assigned to",
    ),
    rule(
        "key.first_name",
        "user.name.first",
        FieldKind::Plain,
        Types::TEXT,
        "a given name",
        "$first_name, first, prenom",
        "first name, given name, fname, forename, vorname, nombre de pila",
    ),
    rule(
        "key.last_name",
        "user.name.last",
        FieldKind::Plain,
        Types::TEXT,
        "a family name",
        "$last_name, last",
        "last name, family name, surname, lname, nachname, apellido, apellidos, nom de famille",
    ),
    rule(
        "key.username",
        "user.account.username",
        FieldKind::Id(IdKind::Person),
        Types::TEXT,
        "a user name or handle",
        "$username",
        "user name, username, login, login name, login id, handle, screen name, nickname, user login, \
         github username, github login, twitter handle, slack handle, account name, benutzername, upn, \
         user principal name",
    ),
    rule(
        "key.user_id",
        "user.unique_id",
        FieldKind::Id(IdKind::Person),
        Types::TEXT_NUMBER,
        "a person's id",
        "id, sub, user, customer, member",
        "user id, uid, customer id, member id, person id, contact id, client id, profile id, employee id, \
         patient id, student id, subscriber id, visitor id, external id, owner id, author id, creator id, \
         admin id, agent id, assignee id, actor id, viewer id, recipient id, sender id, lead id, user \
         uuid, user guid, user key, user ref, identity id, distinct id, stripe customer, stripe customer \
         id, intercom id, salesforce id, hubspot id, auth id, subject id, target user, target user id, \
         invitee id, inviter id, impersonator, impersonator id",
    ),
    rule(
        "key.device_id",
        "user.device.device_id",
        FieldKind::Id(IdKind::Device),
        Types::TEXT_NUMBER,
        "a device's or browser's id",
        "",
        "device id, device uuid, anonymous id, anon id, idfa, idfv, gaid, adid, advertising id, android \
         id, installation id, install id, fingerprint, device fingerprint, browser id, imei, imsi, iccid, \
         meid, mac address, serial number, device serial, push token, fcm token, apns token, device \
         token, udid, browser fingerprint, machine id, hardware id, hwid",
    ),
    rule(
        "key.cookie",
        "user.device.cookie_id",
        FieldKind::Id(IdKind::Device),
        Types::TEXT_NUMBER,
        "a cookie's id",
        "_ga, _gid, _fbp, _fbc",
        "cookie id, ga cid, fbp, fbc, tracking id, cookie uuid",
    ),
    rule(
        "key.session_id",
        "user.unique_id.pseudonymous",
        FieldKind::Id(IdKind::Other),
        Types::TEXT_NUMBER,
        "a session's, request's or other joinable id",
        "uuid, guid, reference",
        "session id, session uuid, request id, trace id, span id, correlation id, transaction id, order \
         id, invoice id, payment id, subscription id, ticket id, conversation id, chat id, thread id, \
         event id, visit id, page view id, pageview id, checkout id, cart id, charge id, message uuid, \
         job id, run id, api key id, key id, token id, project id, document id, file id, order number, \
         invoice number, case id, case number, ticket number, confirmation number, booking id, \
         reservation id, invite id, device session id, request uuid, record id, object id, resource id, \
         item id",
    ),
    rule(
        "key.organization_id",
        "user.contact.organization.id",
        FieldKind::Id(IdKind::Group),
        Types::TEXT_NUMBER,
        "an organization's, team's or account's id",
        "org, tenant, workspace, account, vat, ein, duns",
        "org id, organization id, organisation id, company id, account id, team id, workspace id, tenant \
         id, group id, business id, org uuid, organization uuid, workspace slug, org slug, team slug, \
         domain id, site id, merchant id, account number, account uuid, company uuid, group key, vat id, \
         vat number, tax number, employer id, billing account, billing account id, account slug, \
         organization slug, company number, registration number",
    ),
    rule(
        "key.organization",
        "user.contact.organization",
        FieldKind::Plain,
        Types::TEXT,
        "an organization's name",
        "team, school",
        "company, company name, organization, organisation, organization name, organisation name, org \
         name, employer, employer name, firm, business name, workspace name, team name, tenant name, \
         group name, firma, company domain, email domain, institution, university, merchant name, brand \
         name",
    ),
    rule(
        "key.workplace",
        "user.workplace",
        FieldKind::Plain,
        Types::TEXT,
        "a place in an organization",
        "office, division",
        "department, cost center, office location, workplace",
    ),
    rule(
        "key.job_title",
        "user.job_title",
        FieldKind::Plain,
        Types::TEXT,
        "a job title",
        "job",
        "job title, job role, position title, occupation, profession, seniority, job function",
    ),
    rule(
        "key.address",
        "user.contact.address",
        FieldKind::Plain,
        Types::TEXT,
        "a postal address",
        "",
        "address, billing address, shipping address, home address, postal address, mailing address, \
         delivery address, address line, addr, anschrift, adresse, direccion, formatted address, full \
         address, work address",
    ),
    rule(
        "key.street",
        "user.contact.address.street",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a street and house number",
        "line, rue, calle, apt",
        "street, street address, street name, house number, strasse, hausnummer, apartment",
    ),
    rule(
        "key.postal_code",
        "user.contact.address.postal_code",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a postal code",
        "$zip",
        "zip, zip code, zipcode, postal code, postcode, post code, plz, postal, pincode, pin code, \
         eircode",
    ),
    rule(
        "key.address_city",
        "user.contact.address.city",
        FieldKind::City,
        Types::TEXT,
        "the city of a postal address",
        "",
        "billing city, shipping city, address city, home city, delivery city, locality, birth city, \
         hometown, birthplace, place of birth",
    ),
    rule(
        "key.address_state",
        "user.contact.address.state",
        FieldKind::Region,
        Types::TEXT,
        "the state of a postal address",
        "",
        "billing state, shipping state, address state, state code, state province, billing region, \
         bundesland, us state, home state",
    ),
    rule(
        "key.address_country",
        "user.contact.address.country",
        FieldKind::Country,
        Types::TEXT,
        "the country of a postal address",
        "",
        "billing country, shipping country, address country, home country, delivery country, country of \
         residence",
    ),
    rule(
        "key.location_precise",
        "user.location.precise",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "coordinates",
        "$latitude, $longitude, lat, lng, lon",
        "latitude, longitude, latlng, lat lng, lat lon, latlong, coordinates, coords, geo point, gps, \
         geolocation, geo hash, geohash, location point, plus code, what3words",
    ),
    rule(
        "key.location",
        "user.location.imprecise",
        FieldKind::Plain,
        Types::TEXT,
        "a place",
        "geo, place, district",
        "location, user location, geo location, metro, metro code, dma, neighborhood, continent",
    ),
    rule(
        "key.ip",
        "user.device.ip_address",
        FieldKind::Ip,
        Types::TEXT_NUMBER,
        "an IP address",
        "ip, $ip, ipv",
        "ip address, ip addr, ip, remote addr, remote address, client ip, remote ip, forwarded for, x \
         real ip, source ip, x forwarded for, cf connecting ip, peer address",
    ),
    rule(
        "key.user_agent",
        "user.device.user_agent",
        FieldKind::UserAgent,
        Types::TEXT,
        "a user agent string",
        "$user_agent, $raw_user_agent, ua",
        "user agent, useragent, ua string, sec ch ua, client hints, browser user agent",
    ),
    rule(
        "key.avatar",
        "user.content.self_image",
        FieldKind::Plain,
        Types::TEXT,
        "a picture of the person",
        "$avatar, picture",
        "avatar, avatar url, profile picture, profile image, photo, photo url, gravatar, selfie, profile \
         photo, picture url, image url",
    ),
    rule(
        "key.profile_url",
        "user.contact.url",
        FieldKind::Plain,
        Types::TEXT,
        "a personal page or account elsewhere",
        "twitter, facebook, instagram, github, linkedin",
        "linkedin url, github url, twitter url, personal website, homepage, profile url, facebook url, \
         calendly url, meeting url, meeting link",
    ),
    rule(
        "key.social",
        "user.social",
        FieldKind::Plain,
        Types::TEXT,
        "people around the person",
        "friend",
        "friends, followers list, social graph, spouse, partner name, family members, contacts list, \
         relatives",
    ),
    rule(
        "key.birth_date",
        "user.demographic.date_of_birth",
        FieldKind::Time,
        Types::TEXT_NUMBER,
        "a date of birth",
        "$birthday",
        "dob, birth date, birthdate, date of birth, birthday, born, born on, geburtsdatum, birth year, \
         year of birth, birth month, birth day, fecha de nacimiento",
    ),
    rule(
        "key.age",
        "user.demographic.age_range",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "an age",
        "$age, age",
        "age range, age group, user age, age bracket, age years",
    ),
    rule(
        "key.gender",
        "user.demographic.gender",
        FieldKind::Plain,
        Types::TEXT,
        "a gender",
        "$gender, sex",
        "gender, geschlecht, pronouns, salutation, gender identity, honorific, anrede",
    ),
    rule(
        "key.marital_status",
        "user.demographic.marital_status",
        FieldKind::Plain,
        Types::ANY,
        "a marital status",
        "",
        "marital status, relationship status, married, civil status",
    ),
    rule(
        "key.language",
        "user.demographic.language",
        FieldKind::Plain,
        Types::TEXT,
        "a language",
        "$locale, $language, $browser_language",
        "language, locale, lang, browser language, preferred language, mother tongue, accept language, \
         sprache",
    ),
    rule(
        "key.demographic",
        "user.demographic",
        FieldKind::Plain,
        Types::ANY,
        "education, household and similar",
        "",
        "education, education level, household, household size, nationality, citizenship, children, \
         number of children, kids, veteran",
    ),
];
