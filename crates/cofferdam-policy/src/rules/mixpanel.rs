//! The rows of what Mixpanel's SDKs and servers define: default properties, campaign, click ids, autocapture, ids, profiles.
//!
//! Names are compared exactly, as the SDKs send them; what common key names already cover stands in `fields` with the
//! vendor's spelling beside it. Invariant: an id path keeps its id category whatever its value looks like.

use super::{FieldKind, Rule, Types, rule};
use cofferdam_model::IdKind;

pub(super) const RULES: &[Rule] = &[
    rule(
        "mp.id.person",
        "user.unique_id",
        FieldKind::Id(IdKind::Person),
        Types::TEXT_NUMBER,
        "the person's id, in every place where the dialect carries one",
        "distinct_id, $distinct_id, $user_id, $identified_id, $distinct_ids, \
         $distinct_id_before_identity, $merged_distinct_id, alias, $alias, $last_identified_id, $known_id",
        "",
    ),
    rule(
        "mp.id.device",
        "user.device.device_id",
        FieldKind::Id(IdKind::Device),
        Types::TEXT_NUMBER,
        "the device's or anonymous id",
        "$device_id, $anon_id, $anon_distinct_id, $ios_ifa, $ios_ifv, $ios_device_id, $android_id, \
         $android_device_id, $push_token, $ios_devices, $android_devices",
        "",
    ),
    rule(
        "mp.id.group",
        "user.contact.organization.id",
        FieldKind::Id(IdKind::Group),
        Types::TEXT_NUMBER,
        "a group's id",
        "$group_id, $groups, $group_key_value",
        "",
    ),
    rule(
        "mp.id.event",
        "user.unique_id.pseudonymous",
        FieldKind::Id(IdKind::Event),
        Types::TEXT_NUMBER,
        "the id of the event, for deduplication",
        "$insert_id, messageId, message_id, $message_id",
        "",
    ),
    rule(
        "mp.id.session",
        "user.unique_id.pseudonymous",
        FieldKind::Id(IdKind::Other),
        Types::TEXT_NUMBER,
        "a session's or replay's id",
        "$mp_replay_id, $replay_id, replay_id, $session_id, $window_id, $pageview_id, $mp_session_id, \
         mp_session_id",
        "",
    ),
    rule(
        "mp.id.click",
        "user.unique_id.pseudonymous",
        FieldKind::Id(IdKind::Other),
        Types::TEXT_NUMBER,
        "an advertising click id, which names one click of one person",
        "",
        "dclid, fbclid, gclid, gclsrc, gbraid, ko click id, li fat id, msclkid, sccid, ttclid, twclid, \
         wbraid, yclid, igshid, mc eid, mc cid, epik, rdt cid, irclickid, click id, hsenc, hsmi, vero id, \
         oly enc id, ga client id",
    ),
    rule(
        "mp.campaign",
        "user.behavior",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "campaign attribution (utm_*)",
        "campaign",
        "utm source, utm medium, utm campaign, utm content, utm term, utm id, utm source platform, utm \
         campaign id, utm creative format, utm marketing tactic, campaign id, search engine",
    ),
    rule(
        "mp.keyword",
        "user.behavior.search_history",
        FieldKind::FreeText,
        Types::TEXT,
        "what was typed into a search engine or field",
        "mp_keyword, $search_keyword, $mp_keyword",
        "search query, search term, search terms, search text, search keyword, search phrase, search \
         string, keyword, keywords, searched for, last search",
    ),
    rule(
        "mp.library",
        "system.operations",
        FieldKind::Version,
        Types::TEXT_NUMBER,
        "the SDK, its version and what it says about itself",
        "mp_lib, $lib_version, $mp_lib, mp_loader, mp_sent_by_lib_version, $lib, lib_version, \
         $sdk_version, $mp_api_endpoint",
        "sdk version, library version, lib version",
    ),
    rule(
        "mp.bookkeeping",
        "system.operations",
        FieldKind::Plain,
        Types::ANY,
        "the vendor's own bookkeeping of an event",
        "$had_persisted_distinct_id, mp_processing_time_ms, $import, $mp_event_size, $geo_source, \
         $mp_autocapture, $captured_for_heatmap, $source, mp_name_tag_source, $is_reshuffled, \
         $failure_reason, $failure_description, $warnings, mp_dup, $ignore_time, $ignore_alias, $ignore",
        "",
    ),
    rule(
        "mp.time",
        "user.behavior",
        FieldKind::Time,
        Types::TEXT_NUMBER,
        "when something happened",
        "time, $time, $created, $last_seen, $mp_api_timestamp_ms, $duration, $first_seen, $last_login, \
         mp_event_time, $ae_first_app_open_date, created, duration, elapsed",
        "created at, updated at, deleted at, timestamp, sent at, received at, last seen, first seen, \
         signed up at, sign up date, signup date, started at, ended at, finished at, occurred at, last \
         login, duration ms, elapsed ms",
    ),
    rule(
        "mp.timezone",
        "user.location.imprecise",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "the time zone, which names a region of the world",
        "$timezone, tz",
        "timezone, time zone, tz offset, timezone offset, utc offset",
    ),
    rule(
        "mp.screen",
        "user.device",
        FieldKind::Plain,
        Types::TEXT_NUMBER,
        "screen, viewport and connection",
        "$wifi, $radio, $bluetooth_version, $bluetooth_enabled, $has_nfc, $has_telephone, orientation, \
         viewport",
        "screen height, screen width, screen dpi, screen size, screen resolution, viewport height, \
         viewport width, device pixel ratio, pixel ratio, color depth, connection type, network type",
    ),
    rule(
        "mp.app",
        "system.operations",
        FieldKind::Version,
        Types::TEXT_NUMBER,
        "the app, its version and build",
        "$app_version, $app_version_string, $app_build_number, $app_release, $app_name, $app_namespace, \
         $google_play_services, $android_app_version, $android_app_version_code, $ios_app_release, \
         $ios_app_version, $ios_lib_version, $android_lib_version, $swift_lib_version",
        "app version, app build, app release, build number, release version",
    ),
    rule(
        "mp.autocapture",
        "user.behavior",
        FieldKind::Plain,
        Types::ANY,
        "autocapture: kind, position and shape of what was clicked",
        "$ev_type, $event_type, $el_tag_name, $el_classes, $tag_name, $classes, $scroll_height, \
         $scroll_top, $scroll_percentage, $scroll_checkpoint, $x, $y, $clientX, $clientY, $pageX, $pageY, \
         $screenX, $screenY, $offsetX, $offsetY, $pageHeight, $pageWidth, $altKey, $ctrlKey, $metaKey, \
         $shiftKey, $button, $elements, $target, $dead_click, $rage_click, $host, $viewportWidth, \
         $viewportHeight, $experiment_type, $variant_id, $experiment_id, $is_experiment_active, \
         $is_qa_tester",
        "experiment name, variant name, experiment id, variant id",
    ),
    rule(
        "mp.element_text",
        "user.content",
        FieldKind::FreeText,
        Types::TEXT,
        "text and attributes of page elements, and page titles, which may show anybody's data",
        "$el_text, $el_attr__value, $el_attr__href, $element_text, $elements_chain, $el_id, $attr-id, \
         $attr-name, $attr-href, $attr-aria-label, $attr-aria-labelledby, $attr-aria-describedby, \
         $attr-class, $attr-role, $attr-title, $attr-value, $id, $text, $selector, mp_name_tag, $title, \
         $screen_name, title, html",
        "page title, document title, current page title, element text, button text, link text, inner \
         text, text content, inner html, outer html",
    ),
    rule(
        "mp.location_country",
        "user.location.imprecise",
        FieldKind::Country,
        Types::TEXT,
        "the country that an address stands for",
        "mp_country_code, $country_code, land",
        "country, country code, country name, geo country, pais",
    ),
    rule(
        "mp.location_region",
        "user.location.imprecise",
        FieldKind::Region,
        Types::TEXT,
        "the region or state that an address stands for",
        "$region, region, state",
        "geo region, region name, subdivision, province, geo state, county",
    ),
    rule(
        "mp.location_city",
        "user.location.imprecise",
        FieldKind::City,
        Types::TEXT,
        "the city that an address stands for",
        "$city",
        "city, city name, geo city, town, ciudad, ville, stadt",
    ),
    rule(
        "mp.browser",
        "user.device",
        FieldKind::Browser,
        Types::TEXT,
        "the browser's name",
        "$browser, $initial_browser",
        "browser, browser name, browser family",
    ),
    rule(
        "mp.browser_version",
        "user.device",
        FieldKind::Version,
        Types::TEXT_NUMBER,
        "the browser's version",
        "$browser_version",
        "browser version",
    ),
    rule(
        "mp.system",
        "user.device.operating_system",
        FieldKind::System,
        Types::TEXT,
        "the operating system's name",
        "$os, $initial_os",
        "os, os name, os family, operating system",
    ),
    rule(
        "mp.system_version",
        "user.device.operating_system",
        FieldKind::Version,
        Types::TEXT_NUMBER,
        "the operating system's version",
        "$os_version, $android_os, $android_os_version, $ios_version, $ios_os_version",
        "os version, operating system version, platform version",
    ),
    rule(
        "mp.device",
        "user.device",
        FieldKind::Device,
        Types::TEXT,
        "the device's make, model or kind",
        "$device, $device_type, $model, $manufacturer, $brand, $carrier, $ios_device_model, \
         $android_model, $android_manufacturer, $android_brand, $initial_device, device, platform",
        "device type, device model, device brand, device name, device manufacturer, device family, device \
         category",
    ),
    rule(
        "mp.referrer",
        "user.behavior.referrer",
        FieldKind::Url,
        Types::TEXT,
        "the page that led here",
        "$referrer, $initial_referrer, $session_entry_referrer",
        "referrer, referer, referrer url, http referer, ref url",
    ),
    rule(
        "mp.referring_domain",
        "user.behavior.referrer",
        FieldKind::Url,
        Types::TEXT,
        "the site that led here",
        "$referring_domain, $initial_referring_domain",
        "referring domain, referrer domain, referring site, referrer host",
    ),
    rule(
        "mp.url",
        "user.behavior.browsing_history",
        FieldKind::Url,
        Types::TEXT,
        "the page's address or a part of it, treated by its structure",
        "$current_url, $initial_current_url, $session_entry_url, $prev_pageview_url, $pathname, \
         $prev_pageview_pathname, current_url_path, current_url_search, current_url_protocol, \
         current_domain, $search, link, page, domain, host, next, continue, route, path, endpoint",
        "url, uri, href, page url, current url, landing page, landing url, page path, pathname, query \
         string, location href, next url, redirect url, redirect uri, return url, return to, callback \
         url, page location, hostname, website, from url, screen url, url path, url search, url hash, \
         request path",
    ),
];
