//! The rows of what people write, what they do and own, money, health and belief; and of ordinary product behavior.
//!
//! Invariant: a phrase stands in one row only; whatever people write in their own words is `user.content`.

use super::{FieldKind, Rule, Types, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "key.content",
        "user.content",
        FieldKind::FreeText,
        Types::TEXT,
        "text that somebody wrote",
        "q, query, s, text, body, value, content, subject, summary, answer, question, reply, quote, \
         caption, sql, command, stack, payload, exception",
        "message, comment, comments, description, feedback, review text, note, notes, bio, about me, \
         prompt, completion, response text, post text, transcript, chat message, email body, email \
         subject, message body, ticket body, ticket subject, reason text, free text, remarks, memo, user \
         input, input text, input value, field value, selected text, clipboard, output text, \
         instructions, system prompt, nachricht, kommentar, beschreibung, signature text, other reason, \
         cancellation reason, survey response, nps comment, answer text, request body, response body, \
         html body, raw text, error message, error description, stack trace, stacktrace, exception \
         message, code snippet, console log, dom text, placeholder text, tooltip text",
    ),
    rule(
        "key.search",
        "user.behavior.search_history",
        FieldKind::FreeText,
        Types::TEXT,
        "what somebody searched for",
        "search, typed",
        "searched, typeahead, filter text, search input, query text, search value, help search",
    ),
    rule(
        "key.content_private",
        "user.content.private",
        FieldKind::FreeText,
        Types::TEXT,
        "private messages and files",
        "dm",
        "private message, direct message, sms text, sms body, voicemail, diary, attachment, attachment \
         name, file name, filename, file path, document name",
    ),
    rule(
        "key.card",
        "user.financial.credit_card",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a payment card",
        "pan",
        "card number, credit card, cc number, card no, debit card, cvv, cvc, cvv2, security code, card \
         cvc, card cvv, card expiry, expiry date, exp month, exp year, card pan, credit card number, \
         kreditkarte, card exp, last4, last four, card last, card bin, ccnum, card code",
    ),
    rule(
        "key.bank_account",
        "user.financial.bank_account",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a bank account",
        "",
        "iban, bank account, bank account number, routing number, sort code, bic, swift, swift code, aba \
         number, kontonummer, bank code, ach account, bankverbindung, account iban, clabe, ifsc",
    ),
    rule(
        "key.financial",
        "user.financial",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "somebody's money",
        "",
        "salary, income, net worth, credit score, account balance, wage, compensation, tax return, \
         gehalt, annual income, bank balance, debt, mortgage, wallet address, btc address, eth address, \
         crypto address, household income",
    ),
    rule(
        "key.payment",
        "user.payment",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a means of payment",
        "",
        "payment method id, payment token, card token, card brand, paypal email, paypal id, payment \
         details, billing details, card fingerprint, payment source, mandate reference",
    ),
    rule(
        "key.national_id",
        "user.government_id.national_identification_number",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a national identification number",
        "sin, nin, rut",
        "ssn, social security, social security number, national id, national insurance, nino, tax id, \
         taxpayer id, tin, itin, nif, nie, dni, pesel, bsn, aadhaar, aadhar, cpf, curp, nric, \
         personnummer, codice fiscale, fiscal code, steuer id, steuernummer, government id, identity \
         number, id number, id card, national identification number, citizen id, personal number, voter \
         id, sozialversicherungsnummer, social insurance number, nhs number, tfn, tax file number, \
         fodselsnummer, cpr number, hetu, rrn, resident registration number, pan number, pan card, \
         emirates id, hkid, cnpj",
    ),
    rule(
        "key.passport",
        "user.government_id.passport_number",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a passport number",
        "",
        "passport, passport number, passport no, reisepass, pasaporte, travel document",
    ),
    rule(
        "key.drivers_license",
        "user.government_id.drivers_license_number",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a driving licence number",
        "",
        "drivers license, driver license, driving licence, driving license, license number, licence \
         number, dl number, fuhrerschein, drivers licence, driver licence",
    ),
    rule(
        "key.vehicle",
        "user.government_id.vehicle_registration",
        FieldKind::Plain,
        Types::TEXT,
        "a vehicle's registration",
        "",
        "license plate, licence plate, plate number, number plate, vin, vehicle registration, \
         kennzeichen, registration plate",
    ),
    rule(
        "key.immigration",
        "user.government_id.immigration",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "an immigration status or number",
        "",
        "visa number, immigration status, residence permit, green card, alien number, work permit",
    ),
    rule(
        "key.birth_certificate",
        "user.government_id.birth_certificate",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a birth certificate",
        "",
        "birth certificate, birth certificate number",
    ),
    rule(
        "key.health",
        "user.health_and_medical",
        FieldKind::Plain,
        Types::ANY,
        "health",
        "patient, treatment",
        "diagnosis, medical condition, medication, blood type, allergies, allergy, disease, symptoms, \
         disability, pregnant, pregnancy, prescription, mental health, health status, hiv, icd10, icd \
         code, bmi, blood pressure, illness, therapy",
    ),
    rule(
        "key.medical_record",
        "user.health_and_medical.record_id",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "a medical record's or insurance number",
        "mrn",
        "medical record, medical record number, insurance number, health insurance, medicare, medicaid, \
         medicare number, policy number, insurance id, krankenversichertennummer",
    ),
    rule(
        "key.genetic",
        "user.health_and_medical.genetic",
        FieldKind::Plain,
        Types::ANY,
        "genetic data",
        "",
        "dna, genome, genetic, genotype",
    ),
    rule(
        "key.biometric",
        "user.biometric",
        FieldKind::Plain,
        Types::ANY,
        "biometric data",
        "",
        "biometric, face id template, faceprint, voiceprint, voice sample, retina, iris scan, fingerprint \
         template, face embedding",
    ),
    rule(
        "key.race",
        "user.demographic.race_ethnicity",
        FieldKind::Plain,
        Types::TEXT,
        "race or ethnicity",
        "race",
        "ethnicity, ethnic group, ethnic origin",
    ),
    rule(
        "key.religion",
        "user.demographic.religious_belief",
        FieldKind::Plain,
        Types::TEXT,
        "religious belief",
        "",
        "religion, faith, denomination, religious belief, konfession",
    ),
    rule(
        "key.politics",
        "user.demographic.political_opinion",
        FieldKind::Plain,
        Types::ANY,
        "political opinion or union membership",
        "",
        "political party, political opinion, party affiliation, union member, trade union, political \
         affiliation, voted for",
    ),
    rule(
        "key.sexual_orientation",
        "user.demographic.sexual_orientation",
        FieldKind::Plain,
        Types::ANY,
        "sexual orientation",
        "",
        "sexual orientation, sexuality, orientation sexual, lgbtq, sexual preference",
    ),
    rule(
        "key.criminal",
        "user.criminal_history",
        FieldKind::Plain,
        Types::ANY,
        "a criminal record",
        "arrest",
        "criminal record, conviction, convictions, criminal history, felony",
    ),
    rule(
        "key.childrens",
        "user.childrens",
        FieldKind::Plain,
        Types::ANY,
        "data about a child",
        "minor",
        "child name, child age, child birthday, parental consent, is minor",
    ),
    rule(
        "key.sensor",
        "user.sensor",
        FieldKind::Plain,
        Types::ANY,
        "readings of a sensor on the person",
        "",
        "heart rate, step count, accelerometer, gyroscope, sleep data, body temperature",
    ),
    rule(
        "key.consent",
        "user.privacy_preferences",
        FieldKind::Plain,
        Types::ANY,
        "what the person agreed to",
        "gpc, dnt, newsletter, subscribed, unsubscribed",
        "consent, gdpr consent, marketing consent, opt in, opt out, opted in, opted out, do not track, \
         cookie consent, privacy settings, tracking consent",
    ),
    rule(
        "key.settings",
        "user.account.settings",
        FieldKind::Plain,
        Types::ANY,
        "a setting of the account",
        "theme, preferences, currency",
        "dark mode, notification settings, date format",
    ),
    rule(
        "key.plan",
        "user.behavior.purchase_history",
        FieldKind::Plain,
        Types::ANY,
        "what is bought, and for how much",
        "amount, price, total, quantity, sku, $amount, plan, tier, seats, trial, discount",
        "plan name, plan tier, price, revenue, mrr, arr, ltv, lifetime value, coupon, coupon code, promo \
         code, product name, product category, quantity, billing cycle, billing period, subscription \
         status, subscription plan, order total, cart value, payment method, transactions",
    ),
    rule(
        "key.media",
        "user.behavior.media_consumption",
        FieldKind::Plain,
        Types::ANY,
        "what was watched, heard or read",
        "song, episode",
        "video title, playlist, watch time, article title, podcast, track name, video id, content title",
    ),
    rule(
        "key.behavior",
        "user.behavior",
        FieldKind::Plain,
        Types::ANY,
        "what was done in the product",
        "source, type, status, category, action, feature, method, section, tab, step, variant, position, \
         index, level, score, result, success, count, channel, event_type, mode, kind, outcome, \
         flag, model, view, screen, role, article, topic, rating, industry, week, hour, env, sdk, clicks, \
         funnel, segment, cohort, attempt, button, component",
        "feature name, button name, button id, element id, page name, page type, page number, page \
         category, experiment, ab test, event name, event category, click count, scroll depth, time on \
         page, session duration, session count, visit count, login count, login method, signup method, \
         sign up method, auth method, sign up source, signup source, nps score, experience level, \
         onboarding step, funnel step, percent complete, results count, result count, num results, number \
         of results, item count, user role, user type, account type, customer type, team size, company \
         size, employee count, integration, integration name, import source, file type, file size, export \
         format, feature flag, error code, error type, status code, http status, http method, is first, \
         is new, is returning, api version, endpoint name, model name, token count, tokens used, prompt \
         tokens, completion tokens, total tokens, input tokens, output tokens, max tokens, help topic, \
         article id, environment, language sdk, retention day, weekday, day of week",
    ),
    rule(
        "key.telemetry",
        "user.telemetry",
        FieldKind::Plain,
        Types::ANY,
        "performance of the product on the person's device",
        "fps, lcp, fcp, cls, ttfb, inp, battery, latency",
        "latency ms, load time, load time ms, response time, response time ms, memory usage, cpu usage, \
         battery level, page load time, render time, bytes sent, bytes received, duration seconds",
    ),
];
