"""Who may open what, and who may change what: every address of the project, every kind of visitor.

A new address is one new line in `MATRIX`, and another one for POST when it changes something. An
address without a line fails, and so does a POST without a line that changes something.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from posts import content, mailing, notes, previews, reader_reports
from posts.admin.schedule import seen_times
from posts.bulk import act_on_all
from posts.images import storing
from posts.importing import engine, uploads
from posts.importing.formats import Input, jsonl
from posts.importing.intake import Arrival
from posts.models import (
    BulkAction,
    DraftNote,
    Entity,
    Event,
    ImageSource,
    ImportRun,
    ImportUpload,
    Post,
    PreviewLink,
    ReaderReport,
    StoredImage,
    Tag,
    Topic,
)
from posts.querysets import SHARD_IDS
from tests.builders import make_post, make_user
from tests.held_posts import import_note
from tests.image_files import encoded, picture

pytestmark = pytest.mark.django_db

VISITORS = ("anonymous", "staff", "editor", "reviewer", "publisher", "importer", "administrator")

#: The columns are those of VISITORS: anonymous, staff (in no group), editor, reviewer, publisher,
#: importer, administrator. "in" is the way to the login page. What follows a # is another object at
#: the same address.
MATRIX = """
GET  /admin/password_reset/                                     200 200 200 200 200 200 200
POST /admin/password_reset/                                     302 302 302 302 302 302 302
GET  /admin/password_reset/done/                                200 200 200 200 200 200 200
GET  /admin/reset/<uidb64>/<token>/                             302 302 302 302 302 302 302
GET  /admin/reset/<uidb64>/<token>/ #done                       200 200 200 200 200 200 200
POST /admin/reset/<uidb64>/<token>/ #done                       302 302 302 302 302 302 302
GET  /admin/reset/done/                                         200 200 200 200 200 200 200
GET  /admin/r/<content_type_id>/<object_id>/                    in  403 302 302 302 302 403
GET  /admin/queue/                                              in  403 200 200 200 200 403
GET  /admin/queue/next/                                         in  403 403 302 403 403 403
GET  /admin/queue/undo/                                         in  403 403 405 403 403 403
POST /admin/queue/undo/                                         in  403 403 302 403 403 403
GET  /admin/queue/unskip/                                       in  403 403 405 403 403 403
POST /admin/queue/unskip/                                       in  403 403 302 403 403 403
GET  /admin/queue/filters/save/                                 in  403 405 405 405 405 403
POST /admin/queue/filters/save/                                 in  403 302 302 302 302 403
GET  /admin/queue/filters/<filter_id>/delete/                   in  403 405 405 405 405 403
POST /admin/queue/filters/<filter_id>/delete/                   in  403 302 302 302 302 403
GET  /admin/queue/<post_id>/                                    in  403 403 200 403 403 403
GET  /admin/queue/<post_id>/decide/<action>/                    in  403 403 405 403 403 403
POST /admin/queue/<post_id>/decide/<action>/                    in  403 403 302 403 403 403
GET  /admin/queue/<post_id>/skip/                               in  403 403 405 403 403 403
POST /admin/queue/<post_id>/skip/                               in  403 403 302 403 403 403
GET  /admin/queue/<post_id>/leave/                              in  403 403 405 403 403 403
POST /admin/queue/<post_id>/leave/                              in  403 403 302 403 403 403
GET  /admin/queue/<post_id>/renew/                              in  403 403 405 403 403 403
POST /admin/queue/<post_id>/renew/                              in  403 403 200 403 403 403
GET  /admin/queue/<post_id>/ahead/                              in  403 403 405 403 403 403
POST /admin/queue/<post_id>/ahead/                              in  403 403 200 403 403 403
GET  /admin/bulk/prepare/                                       in  403 405 405 405 403 403
POST /admin/bulk/prepare/                                       in  403 403 302 403 403 403
GET  /admin/bulk/<bulk_id>/                                     in  403 200 200 200 200 403
GET  /admin/bulk/<bulk_id>/confirm/                             in  403 403 403 403 403 403
GET  /admin/bulk/<bulk_id>/go-on/                               in  403 403 403 403 403 403
GET  /admin/bulk/<bulk_id>/stop/                                in  403 405 405 405 405 403
POST /admin/bulk/<bulk_id>/stop/                                in  403 403 302 403 403 403
GET  /admin/bulk/<bulk_id>/progress.json                        in  403 200 200 200 200 403
GET  /admin/bulk/<bulk_id>/results.csv                          in  403 200 200 200 200 403
GET  /admin/import/                                             in  403 403 403 403 200 403
POST /admin/import/                                             in  403 403 403 403 302 403
GET  /admin/import/<upload_id>/                                 in  403 403 403 403 200 403
GET  /admin/import/<upload_id>/confirm/                         in  403 403 403 403 405 403
POST /admin/import/<upload_id>/confirm/                         in  403 403 403 403 302 403
GET  /admin/import/<upload_id>/go-on/                           in  403 403 403 403 405 403
GET  /admin/import/<upload_id>/discard/                         in  403 403 403 403 405 403
POST /admin/import/<upload_id>/discard/                         in  403 403 403 403 302 403
GET  /admin/import/<upload_id>/progress.json                    in  403 403 403 403 200 403
GET  /admin/findings/                                           in  403 200 200 200 200 403
GET  /admin/findings/<source_id>/                               in  403 200 200 200 200 403
GET  /admin/findings/<source_id>/export.jsonl                   in  403 200 200 200 200 403
GET  /admin/reports/                                            in  403 200 200 200 403 403
GET  /admin/reports/<report_id>/                                in  403 200 200 200 403 403
POST /admin/reports/<report_id>/                                in  403 302 302 403 403 403
POST /admin/reports/<report_id>/ #send-back                     in  403 403 409 403 403 403
GET  /admin/notes/add/<revision_id>/                            in  403 200 200 403 403 403
POST /admin/notes/add/<revision_id>/                            in  403 302 302 403 403 403
GET  /admin/notes/<note_id>/resolve/                            in  403 405 405 403 403 403
POST /admin/notes/<note_id>/resolve/                            in  403 302 302 403 403 403
GET  /admin/notices/                                            in  200 200 200 200 200 200
GET  /admin/notices/read/                                       in  405 405 405 405 405 405
POST /admin/notices/read/                                       in  302 302 302 302 302 302
GET  /admin/notices/mail/                                       in  405 405 405 405 405 405
POST /admin/notices/mail/                                       in  302 302 302 302 302 302
GET  /admin/                                                    in  200 200 200 200 200 200
GET  /admin/login/                                              200 302 302 302 302 302 302
GET  /admin/logout/                                             302 405 405 405 405 405 405
POST /admin/logout/                                             302 200 200 200 200 200 200
GET  /admin/password_change/                                    in  200 200 200 200 200 200
POST /admin/password_change/                                    in  302 302 302 302 302 302
GET  /admin/password_change/done/                               in  200 200 200 200 200 200
GET  /admin/autocomplete/                                       in  403 403 403 403 403 403
GET  /admin/jsi18n/                                             in  200 200 200 200 200 200
GET  /admin/posts/event/export.jsonl                            in  403 200 200 200 200 403
GET  /admin/posts/event/                                        in  403 200 200 200 200 403
GET  /admin/posts/event/add/                                    in  403 403 403 403 403 403
GET  /admin/posts/event/<object_id>/history/                    in  403 200 200 200 200 403
GET  /admin/posts/event/<object_id>/delete/                     in  403 403 403 403 403 403
GET  /admin/posts/event/<object_id>/change/                     in  403 200 200 200 200 403
GET  /admin/posts/event/<object_id>/                            in  302 302 302 302 302 302
GET  /admin/posts/bulkaction/                                   in  403 200 200 200 200 403
GET  /admin/posts/bulkaction/add/                               in  403 403 403 403 403 403
GET  /admin/posts/bulkaction/<object_id>/history/               in  403 200 200 200 200 403
GET  /admin/posts/bulkaction/<object_id>/delete/                in  403 403 403 403 403 403
GET  /admin/posts/bulkaction/<object_id>/change/                in  403 200 200 200 200 403
GET  /admin/posts/bulkaction/<object_id>/                       in  302 302 302 302 302 302
GET  /admin/posts/tag/                                          in  403 200 200 200 403 403
GET  /admin/posts/tag/add/                                      in  403 403 403 403 403 403
GET  /admin/posts/tag/<subject_id>/names/                       in  403 200 200 403 403 403
POST /admin/posts/tag/<subject_id>/names/                       in  403 302 302 403 403 403
GET  /admin/posts/tag/<object_id>/history/                      in  403 200 200 200 403 403
GET  /admin/posts/tag/<object_id>/delete/                       in  403 403 403 403 403 403
GET  /admin/posts/tag/<object_id>/change/                       in  403 200 200 200 403 403
GET  /admin/posts/tag/<object_id>/                              in  302 302 302 302 302 302
GET  /admin/posts/entity/                                       in  403 200 200 200 403 403
GET  /admin/posts/entity/add/                                   in  403 403 403 403 403 403
GET  /admin/posts/entity/<subject_id>/names/                    in  403 200 200 403 403 403
POST /admin/posts/entity/<subject_id>/names/                    in  403 302 302 403 403 403
GET  /admin/posts/entity/<object_id>/history/                   in  403 200 200 200 403 403
GET  /admin/posts/entity/<object_id>/delete/                    in  403 403 403 403 403 403
GET  /admin/posts/entity/<object_id>/change/                    in  403 200 200 200 403 403
GET  /admin/posts/entity/<object_id>/                           in  302 302 302 302 302 302
GET  /admin/posts/storedimage/                                  in  403 200 200 200 403 403
GET  /admin/posts/storedimage/add/                              in  403 403 403 403 403 403
GET  /admin/posts/storedimage/<object_id>/history/              in  403 200 200 200 403 403
GET  /admin/posts/storedimage/<object_id>/delete/               in  403 403 403 403 403 403
GET  /admin/posts/storedimage/<object_id>/change/               in  403 200 200 200 403 403
GET  /admin/posts/storedimage/<object_id>/                      in  302 302 302 302 302 302
GET  /admin/posts/storedimage/<stored_id>/remove/               in  403 405 405 403 403 403
POST /admin/posts/storedimage/<stored_id>/remove/               in  403 302 302 403 403 403
GET  /admin/posts/storedimage/of/<digest>/<width>.<form>        in  403 200 200 200 200 403
GET  /admin/posts/imagesource/                                  in  403 200 200 200 403 403
GET  /admin/posts/imagesource/add/                              in  403 403 403 403 403 403
GET  /admin/posts/imagesource/<object_id>/history/              in  403 200 200 200 403 403
GET  /admin/posts/imagesource/<object_id>/delete/               in  403 403 403 403 403 403
GET  /admin/posts/imagesource/<object_id>/change/               in  403 200 200 200 403 403
POST /admin/posts/imagesource/<object_id>/change/               in  403 302 302 403 403 403
GET  /admin/posts/imagesource/<object_id>/                      in  302 302 302 302 302 302
GET  /admin/posts/importrun/<run_id>/rejects/                   in  403 200 200 403 200 403
GET  /admin/posts/importrun/<run_id>/rejects.jsonl              in  403 200 200 403 200 403
GET  /admin/posts/importrun/<run_id>/rejects.csv                in  403 200 200 403 200 403
GET  /admin/posts/importrun/<run_id>/posts/                     in  403 200 200 403 200 403
GET  /admin/posts/importrun/<run_id>/undo/                      in  403 403 403 403 200 403
POST /admin/posts/importrun/<run_id>/undo/                      in  403 403 403 403 302 403
GET  /admin/posts/importrun/                                    in  403 200 200 403 200 403
GET  /admin/posts/importrun/add/                                in  403 403 403 403 403 403
GET  /admin/posts/importrun/<object_id>/history/                in  403 200 200 403 200 403
GET  /admin/posts/importrun/<object_id>/delete/                 in  403 403 403 403 403 403
GET  /admin/posts/importrun/<object_id>/change/                 in  403 200 200 403 200 403
GET  /admin/posts/importrun/<object_id>/                        in  302 302 302 302 302 302
GET  /admin/posts/importsource/                                 in  403 403 403 403 200 403
GET  /admin/posts/importsource/add/                             in  403 403 403 403 403 403
GET  /admin/posts/importsource/<object_id>/history/             in  403 403 403 403 200 403
GET  /admin/posts/importsource/<object_id>/delete/              in  403 403 403 403 403 403
GET  /admin/posts/importsource/<object_id>/change/              in  403 403 403 403 200 403
GET  /admin/posts/importsource/<object_id>/                     in  302 302 302 302 302 302
GET  /admin/auth/user/<id>/password/                            in  403 403 403 403 403 200
POST /admin/auth/user/<id>/password/                            in  403 403 403 403 403 302
GET  /admin/auth/user/<id>/password/ #superuser                 in  403 403 403 403 403 403
POST /admin/auth/user/<id>/password/ #superuser                 in  403 403 403 403 403 403
GET  /admin/auth/user/                                          in  403 403 403 403 403 200
GET  /admin/auth/user/add/                                      in  403 403 403 403 403 200
POST /admin/auth/user/add/                                      in  403 403 403 403 403 302
GET  /admin/auth/user/<object_id>/history/                      in  403 403 403 403 403 200
GET  /admin/auth/user/<object_id>/delete/                       in  403 403 403 403 403 403
GET  /admin/auth/user/<object_id>/change/                       in  403 403 403 403 403 200
POST /admin/auth/user/<object_id>/change/                       in  403 403 403 403 403 302
GET  /admin/auth/user/<object_id>/change/ #superuser            in  403 403 403 403 403 200
POST /admin/auth/user/<object_id>/change/ #superuser            in  403 403 403 403 403 403
GET  /admin/auth/user/<object_id>/                              in  302 302 302 302 302 302
GET  /admin/auth/group/                                         in  403 403 403 403 403 200
GET  /admin/auth/group/add/                                     in  403 403 403 403 403 403
POST /admin/auth/group/add/                                     in  403 403 403 403 403 403
GET  /admin/auth/group/<object_id>/history/                     in  403 403 403 403 403 200
GET  /admin/auth/group/<object_id>/delete/                      in  403 403 403 403 403 403
GET  /admin/auth/group/<object_id>/change/                      in  403 403 403 403 403 200
POST /admin/auth/group/<object_id>/change/                      in  403 403 403 403 403 403
GET  /admin/auth/group/<object_id>/                             in  302 302 302 302 302 302
GET  /admin/posts/post/<post_id>/act/<action>/                  in  403 403 302 403 403 403
POST /admin/posts/post/<post_id>/act/<action>/                  in  403 403 302 403 403 403
POST /admin/posts/post/<post_id>/act/<action>/ #publish         in  403 403 302 302 403 403
GET  /admin/posts/post/<post_id>/edit/                          in  403 200 200 403 403 403
POST /admin/posts/post/<post_id>/edit/                          in  403 302 302 403 403 403
GET  /admin/posts/post/<post_id>/edit/keep/                     in  403 405 405 403 403 403
POST /admin/posts/post/<post_id>/edit/keep/                     in  403 200 200 403 403 403
GET  /admin/posts/post/<post_id>/edit/preview/                  in  403 405 405 403 403 403
POST /admin/posts/post/<post_id>/edit/preview/                  in  403 200 200 403 403 403
GET  /admin/posts/post/<post_id>/edit/discard/<window_id>/      in  403 302 302 403 403 403
POST /admin/posts/post/<post_id>/edit/discard/<window_id>/      in  403 302 302 403 403 403
GET  /admin/posts/post/add/keep/                                in  403 405 405 403 403 403
POST /admin/posts/post/add/keep/                                in  403 200 200 403 403 403
GET  /admin/posts/post/add/preview/                             in  403 405 405 403 403 403
POST /admin/posts/post/add/preview/                             in  403 200 200 403 403 403
GET  /admin/posts/post/add/discard/<window_id>/                 in  403 302 302 403 403 403
POST /admin/posts/post/add/discard/<window_id>/                 in  403 302 302 403 403 403
GET  /admin/posts/post/<post_id>/schedule/                      in  403 403 200 200 403 403
POST /admin/posts/post/<post_id>/schedule/                      in  403 403 302 302 403 403
GET  /admin/posts/post/<post_id>/compare/                       in  403 200 200 200 200 403
GET  /admin/posts/post/<post_id>/merge/                         in  403 200 200 403 403 403
POST /admin/posts/post/<post_id>/merge/                         in  403 302 302 403 403 403
GET  /admin/posts/post/<post_id>/events/                        in  403 200 200 200 200 403
GET  /admin/posts/post/<post_id>/revisions/                     in  403 200 200 200 200 403
GET  /admin/posts/post/<post_id>/revisions/<number>/            in  403 200 200 200 200 403
GET  /admin/posts/post/<post_id>/revisions/<number>/restore/    in  403 302 302 403 403 403
POST /admin/posts/post/<post_id>/revisions/<number>/restore/    in  403 302 302 403 403 403
GET  /admin/posts/post/<post_id>/revisions/<number>/approve/    in  403 403 302 403 403 403
POST /admin/posts/post/<post_id>/revisions/<number>/approve/    in  403 403 302 403 403 403
GET  /admin/posts/post/<post_id>/revisions/<number>/share/      in  403 302 302 302 403 403
POST /admin/posts/post/<post_id>/revisions/<number>/share/      in  403 200 200 200 403 403
GET  /admin/posts/post/<post_id>/previews/                      in  403 200 200 200 403 403
GET  /admin/posts/post/<post_id>/previews/<link_id>/revoke/     in  403 302 302 302 403 403
POST /admin/posts/post/<post_id>/previews/<link_id>/revoke/     in  403 302 302 302 403 403
GET  /admin/posts/post/                                         in  403 200 200 200 200 403
POST /admin/posts/post/                                         in  403 302 302 302 200 403
GET  /admin/posts/post/add/                                     in  403 200 200 403 403 403
POST /admin/posts/post/add/                                     in  403 302 302 403 403 403
GET  /admin/posts/post/<object_id>/history/                     in  403 302 302 302 302 403
GET  /admin/posts/post/<object_id>/delete/                      in  403 403 403 403 403 403
GET  /admin/posts/post/<object_id>/change/                      in  403 200 200 200 200 403
GET  /admin/posts/post/<object_id>/change/ #unknown             in  403 404 404 404 404 403
GET  /admin/posts/post/<object_id>/                             in  302 302 302 302 302 302
GET  /admin/<app_label>/                                        in  404 200 200 200 200 404
GET  /admin/<url>                                               in  404 404 404 404 404 404
GET  /                                                          200 200 200 200 200 200 200
GET  /posts/<slug>.md                                           200 200 200 200 200 200 200
GET  /posts/<slug>.md #draft                                    404 404 404 404 404 404 404
GET  /posts/<slug>.json                                         200 200 200 200 200 200 200
GET  /posts/<slug>.json #draft                                  404 404 404 404 404 404 404
GET  /posts/<slug>/                                             200 200 200 200 200 200 200
GET  /posts/<slug>/ #draft                                      404 404 404 404 404 404 404
GET  /posts/<slug>.png                                           200 200 200 200 200 200 200
GET  /posts/<slug>.png #draft                                    404 404 404 404 404 404 404
GET  /posts/<slug>/provenance/                                  200 200 200 200 200 200 200
GET  /posts/<slug>/provenance/ #draft                           404 404 404 404 404 404 404
GET  /posts/<slug>/provenance.json                              200 200 200 200 200 200 200
GET  /posts/<slug>/provenance.json #draft                       404 404 404 404 404 404 404
GET  /posts/<slug>/revisions/                                   200 200 200 200 200 200 200
GET  /posts/<slug>/revisions/ #draft                            404 404 404 404 404 404 404
GET  /posts/<slug>/revisions/<number>/                          404 404 404 404 404 404 404
GET  /posts/<slug>/revisions/<number>/ #approved                200 200 200 200 200 200 200
GET  /posts/<slug>/report/                                      200 200 200 200 200 200 200
GET  /posts/<slug>/report/ #draft                               404 404 404 404 404 404 404
POST /posts/<slug>/report/                                      302 302 302 302 302 302 302
POST /posts/<slug>/report/ #draft                               404 404 404 404 404 404 404
GET  /unsubscribe/<token>/                                      200 200 200 200 200 200 200
POST /unsubscribe/<token>/                                      200 200 200 200 200 200 200
GET  /unsubscribe/<token>/ #unknown                             404 404 404 404 404 404 404
GET  /r/<reference>/                                            302 302 302 302 302 302 302
GET  /archive/                                                  200 200 200 200 200 200 200
GET  /archive/<year>/                                            200 200 200 200 200 200 200
GET  /archive/<year>/<month>/                                    200 200 200 200 200 200 200
GET  /tags/                                                     200 200 200 200 200 200 200
GET  /tags/<slug>/                                              200 200 200 200 200 200 200
GET  /topics/<slug>/                                             200 200 200 200 200 200 200
GET  /entities/<type_slug>/<slug>/                              200 200 200 200 200 200 200
GET  /search/                                                   200 200 200 200 200 200 200
GET  /search/suggestions/                                       200 200 200 200 200 200 200
GET  /preview/<token>/                                          200 200 200 200 200 200 200
GET  /preview/<token>/images/<digest>/<width>.<form>            200 200 200 200 200 200 200
GET  /preview/<token>/images/<digest>/<width>.<form> #shown     404 404 404 404 404 404 404
GET  /images/<digest>/<width>.<form>                            404 404 404 404 404 404 404
GET  /images/<digest>/<width>.<form> #shown                     200 200 200 200 200 200 200
GET  /preview/<token>/ #unknown                                 404 404 404 404 404 404 404
GET  /seen/<post_id>/                                           405 405 405 405 405 405 405
POST /seen/<post_id>/                                           204 204 204 204 204 204 204
GET  /feed.atom                                                 200 200 200 200 200 200 200
GET  /feed.json                                                 200 200 200 200 200 200 200
GET  /tags/<slug>/feed.atom                                     200 200 200 200 200 200 200
GET  /tags/<slug>/feed.json                                     200 200 200 200 200 200 200
GET  /entities/<type_slug>/<slug>/feed.atom                     200 200 200 200 200 200 200
GET  /entities/<type_slug>/<slug>/feed.json                     200 200 200 200 200 200 200
GET  /sitemap.xml                                               200 200 200 200 200 200 200
GET  /sitemap-<number>.xml                                      200 200 200 200 200 200 200
GET  /llms.txt                                                  200 200 200 200 200 200 200
GET  /opensearch.xml                                            200 200 200 200 200 200 200
GET  /dumps/                                                    200 200 200 200 200 200 200
GET  /dumps/<name>                                              404 404 404 404 404 404 404
GET  /api/v1/openapi.json                                       200 200 200 200 200 200 200
GET  /api/v1/                                                   200 200 200 200 200 200 200
GET  /api/v1/posts                                              200 200 200 200 200 200 200
GET  /api/v1/posts/<slug>                                       200 200 200 200 200 200 200
GET  /api/v1/posts/<slug> #draft                                404 404 404 404 404 404 404
GET  /api/v1/posts/<slug>/similar                               200 200 200 200 200 200 200
GET  /api/v1/posts/<slug>/similar #draft                        404 404 404 404 404 404 404
GET  /api/v1/posts/<slug>/revisions                             200 200 200 200 200 200 200
GET  /api/v1/posts/<slug>/revisions #draft                      404 404 404 404 404 404 404
GET  /api/v1/posts/<slug>/revisions/<number>                    404 404 404 404 404 404 404
GET  /api/v1/posts/<slug>/revisions/<number> #approved          200 200 200 200 200 200 200
GET  /api/v1/search                                             400 400 400 400 400 400 400
GET  /api/v1/tags                                               200 200 200 200 200 200 200
GET  /api/v1/tags/<slug>                                        200 200 200 200 200 200 200
GET  /api/v1/tags/<slug>/posts                                  200 200 200 200 200 200 200
GET  /api/v1/entities                                           200 200 200 200 200 200 200
GET  /api/v1/entities/<type_slug>/<slug>                        200 200 200 200 200 200 200
GET  /api/v1/entities/<type_slug>/<slug>/posts                  200 200 200 200 200 200 200
GET  /api/v1/<rest>                                             404 404 404 404 404 404 404
GET  /about/                                                     200 200 200 200 200 200 200
GET  /about/review/                                              200 200 200 200 200 200 200
GET  /privacy/                                                   200 200 200 200 200 200 200
GET  /licence/                                                   200 200 200 200 200 200 200
GET  /style/                                                     404 404 404 404 404 404 404
GET  /favicon.ico                                                301 301 301 301 301 301 301
GET  /.well-known/security.txt                                   404 404 404 404 404 404 404
GET  /robots.txt                                                200 200 200 200 200 200 200
"""

PASSWORD = "long enough for a test"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the matrix; `expected` is in the order of VISITORS."""

    method: str
    route: str
    variant: str
    expected: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.route}" + (f" #{self.variant}" if self.variant else "")


def lines() -> list[Line]:
    found = []
    for text in MATRIX.strip().splitlines():
        match = re.fullmatch(r"(GET|POST) +(\S*?)(?: *#(\S+))?((?: +\w+){7})", text)
        assert match is not None, text
        method, route, variant, expected = match.groups()
        found.append(Line(method, route, variant or "", tuple(expected.split())))
    return found


def routes(resolver: Any = None, before: str = "") -> Iterator[str]:
    """Yield the pattern of every address, "/" in front and without the types of its parts."""
    for pattern in (resolver or get_resolver()).url_patterns:
        text = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", str(pattern.pattern)).strip("^$")
        text = before + re.sub(r"<\w+:(\w+)>", r"<\1>", text)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, text)
        else:
            yield "/" + text


# --- The world they visit ---------------------------------------------------------------------


@dataclasses.dataclass
class World:
    """One of everything that an address can name."""

    post: Post
    draft: Post
    run: ImportRun
    link: PreviewLink
    token: str
    report: ReaderReport
    note: DraftNote
    person: User
    superuser: User
    upload: ImportUpload
    #: Named by the proposed revision, by the live one, and by none.
    drafted: StoredImage
    shown: StoredImage
    unused: StoredImage

    def address(self, line: Line) -> str:
        """Return a line's address with its parts filled in."""
        values = self._values(line.route) | {
            "draft": {"slug": self.draft.slug, "post_id": self.draft.pk},
            "superuser": {"id": self.superuser.pk, "object_id": self.superuser.pk},
            "publish": {"action": "publish", "post_id": self.draft.pk},
            "done": {"token": "set-password"},
            "approved": {"number": 1},
            "shown": {"digest": self.shown.digest},
            "unknown": {"token": "there-is-none", "object_id": 10**9, "post_id": 10**9},
        }.get(line.variant, {})
        return re.sub(r"<(\w+)>", lambda part: str(values[part[1]]), line.route)

    def _values(self, route: str) -> dict[str, Any]:
        values: dict[str, Any] = {
            "post_id": self.post.pk,
            "number": 2,
            "link_id": self.link.pk,
            "window_id": 1,
            "filter_id": 1,
            "action": "approve",
            "run_id": self.run.pk,
            "source_id": self.run.source_id,
            "report_id": self.report.pk,
            "note_id": self.note.pk,
            "revision_id": self.note.revision_id,
            "slug": self.post.slug,
            "token": self.token,
            "reference": self.post.reference,
            "year": 2026,
            "month": 11,
            "app_label": "posts",
            "url": "there-is-no-such-page",
            "rest": "there-is-no-such-address",
            "name": "notes-2001-01.jsonl.gz",
            "content_type_id": ContentType.objects.get_for_model(Post).pk,
            "object_id": self.post.pk,
            "id": self.person.pk,
            "bulk_id": BulkAction.objects.latest("pk").pk,
            "upload_id": self.upload.pk,
            "digest": self.drafted.digest,
            "width": 640,
            "form": "webp",
            "stored_id": self.unused.pk,
        }
        if route.startswith("/admin/reset/"):
            values["uidb64"] = urlsafe_base64_encode(force_bytes(self.person.pk))
            values["token"] = default_token_generator.make_token(self.person)
        if route.startswith("/unsubscribe/"):
            values["token"] = mailing.token_of(self.person)
        tag, entity = Tag.objects.earliest("pk"), Entity.objects.earliest("pk")
        if route.startswith("/sitemap-"):
            values["number"] = self.post.pk // SHARD_IDS
        if "/tags/<slug>" in route:
            values["slug"] = self.post.post_tags.earliest("pk").tag.slug
        if route.startswith("/topics/"):
            values["slug"] = Topic.objects.earliest("pk").slug
        if "/entities/<type_slug>" in route:
            shown = self.post.post_entities.earliest("pk").entity
            values |= {"type_slug": shown.type_slug, "slug": shown.slug}
        for model, one in {
            "tag": tag,
            "entity": entity,
            "imagesource": ImageSource.objects.earliest("pk"),
            "storedimage": self.unused,
            "importrun": self.run,
            "importsource": self.run.source,
            "event": Event.objects.latest("pk"),
            "bulkaction": BulkAction.objects.latest("pk"),
            "user": self.person,
            "group": Group.objects.get(name="editor"),
        }.items():
            if f"/{model}/<" in route:
                values |= {"object_id": one.pk, "subject_id": one.pk}
        return values

    def sent(self, line: Line) -> dict[str, Any]:
        """Return what a person would send there, so that it is carried out if they may."""
        newest = {"seen": 2}
        form = {"title": "Another title", "body": "Another text.", "username": "somebody"}
        password = {"password1": "a very new password", "password2": "a very new password"}
        new = {"new_password1": "a very new password", "new_password2": "a very new password"}
        return {
            "/admin/login/": {"username": "nobody", "password": PASSWORD},
            "/admin/password_change/": {"old_password": PASSWORD, **new},
            "/admin/password_reset/": {"email": self.person.email},
            "/admin/reset/<uidb64>/<token>/": new,
            "/admin/auth/user/add/": {**form, "usable_password": "true", **password},
            "/admin/auth/user/<object_id>/change/": {**form, "is_active": "on"},
            "/admin/auth/user/<id>/password/": {"usable_password": "true", **password},
            "/admin/auth/group/add/": {"name": "another group"},
            "/admin/auth/group/<object_id>/change/": {"name": "another name"},
            "/admin/posts/imagesource/<object_id>/change/": {"licence": "refused"},
            "/admin/posts/tag/<subject_id>/names/": {"action": "rename", "name": "renamed"},
            "/admin/posts/entity/<subject_id>/names/": {"action": "rename", "name": "renamed"},
            "/admin/bulk/prepare/": {"action": "approve", "_selected_action": [self.draft.pk]},
            "/admin/posts/post/": {"action": "approve", "_selected_action": [self.draft.pk]},
            "/admin/posts/post/add/": form,
            "/admin/posts/post/<post_id>/act/<action>/": {
                "digest": (
                    self.draft.live_revision
                    if line.variant == "publish"
                    else self.post.proposed_revision
                ).digest
            },
            "/admin/queue/filters/save/": {"name": "a name", "back": "order=oldest"},
            "/admin/queue/<post_id>/decide/<action>/": {
                "digest": self.post.proposed_revision.digest
            },
            "/admin/posts/post/<post_id>/edit/": {**form, **newest, "base": 2},
            "/admin/posts/post/<post_id>/edit/keep/": {**form, "tab": "a-window", "typed": 1},
            "/admin/posts/post/<post_id>/edit/preview/": form,
            "/admin/posts/post/add/keep/": {**form, "tab": "a-window", "typed": 1},
            "/admin/posts/post/add/preview/": form,
            "/admin/posts/post/<post_id>/schedule/": {
                **{"seen": seen_times(self.post), "archive_at": "2400-01-01T09:00"},
            },
            "/admin/posts/post/<post_id>/revisions/<number>/approve/": {
                "live": self.post.live_revision.digest
            },
            "/admin/posts/post/<post_id>/merge/": {
                **{"all": "theirs", "ours": 1, "incoming": 2, "comment": "Merged."},
                **newest,
            },
            "/admin/posts/post/<post_id>/revisions/<number>/restore/": newest,
            "/admin/posts/post/<post_id>/revisions/<number>/share/": {"days": 7},
            "/admin/reports/<report_id>/": (
                {"do": "send_back", "text": "Send it back."}
                if line.variant == "send-back"
                else {"do": "dismiss"}
            ),
            "/admin/notes/add/<revision_id>/": {"text": "A note."},
            "/admin/notices/read/": {"upto": 1},
            "/admin/import/": {
                **{"file": ContentFile(b'{"key": "u-1", "title": "U"}', "u.jsonl")},
                **{"source": "uploads", "format": "auto"},
            },
            "/posts/<slug>/report/": {"text": "Wrong.", "website": "so it is a robot's"},
        }.get(line.route, {})


@pytest.fixture
def world(settings, tmp_path) -> World:
    settings.MEDIA_ROOT = tmp_path
    superuser = make_user("superuser")
    drafted, shown, unused = (
        storing.upload(data=encoded(picture(seed=n), "JPEG"), by=superuser) for n in range(3)
    )
    post = import_note(
        reference="N-1",
        topic="ebb / tides",
        tags=["tides"],
        entities=[{"name": "Slack water", "type": "place"}],
        image_sources=[{"url": content.upload_url(shown.digest)}],
    )
    act_on_all(
        actions=["approve", "publish"], queryset=Post.objects.all(), by=superuser, undo_seconds=0
    )
    post = import_note(
        reference="N-1",
        title="Slack water, newer",
        tags=["tides"],
        entities=[{"name": "Slack water", "type": "place"}],
        image_sources=[
            {"url": "https://picsum.photos/1"},
            {"url": content.upload_url(drafted.digest)},
        ],
    )
    records = io.BytesIO(b'{"key": "x-1", "title": "X", "body": "Text."}\n{"key": "x-2"}\n')
    arrivals = (Arrival(0, raw, jsonl) for raw in jsonl.records(records, Input("x.jsonl", None)))
    run = engine.run_import(arrivals, options=engine.Options(source="other notes")).run
    link, token = previews.make(revision=post.proposed_revision, by=superuser)
    ImageSource.objects.get_or_create(url="https://picsum.photos/2", host="picsum.photos")
    return World(
        post=post,
        draft=make_post(state="private"),
        run=run,
        link=link,
        token=token,
        report=reader_reports.take(post=post, text="There is a mistake."),
        note=notes.add(revision=post.proposed_revision, by=superuser, text="Look here."),
        person=make_user("reader", email="reader@example.org"),
        superuser=superuser,
        upload=uploads.keep(
            b'{"key": "u-2", "title": "U", "body": "Text."}\n',
            file_name="u.jsonl",
            source_name="uploads",
            format_name="auto",
            by=superuser,
        ),
        drafted=drafted,
        shown=shown,
        unused=unused,
    )


def visit(kind: str) -> str:
    """Return the session of a new person of this kind, empty for nobody."""
    if kind == "anonymous":
        return ""
    client = Client()
    client.force_login(make_user(kind))
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def answer(session: str, world: World, line: Line, method: str) -> str:
    """Return the status of an answer, or "in" for the way to the login page."""
    client = Client()
    if session:
        client.cookies[settings.SESSION_COOKIE_NAME] = session
    if line.variant == "done":  # the link puts its token into the session first
        client.get(world.address(dataclasses.replace(line, variant="")))
    address, data = world.address(line), world.sent(line)
    response = client.get(address) if method == "GET" else client.post(address, data)
    if response.streaming:
        b"".join(response.streaming_content)
    location = response.headers.get("Location", "")
    if response.status_code == 302 and location.startswith(reverse("admin:login")):
        return "in"
    return str(response.status_code)


@pytest.fixture
def as_once() -> Any:
    """Return a context whose writes are taken back at its end."""

    class Once(transaction.Atomic):
        def __exit__(self, *error: Any) -> None:
            transaction.set_rollback(True)
            super().__exit__(*error)

    return lambda: Once(using=None, savepoint=True, durable=False)


# --- The tests --------------------------------------------------------------------------------


def test_every_address_has_a_line():
    known = {line.route for line in lines() if line.method == "GET"}

    assert sorted(set(routes()) - known) == [], "Add a line to MATRIX for each of these."
    assert sorted(known - set(routes())) == [], "These addresses are gone: remove their lines."


@pytest.mark.parametrize("kind", VISITORS)
def test_visitor_gets_what_the_matrix_says(world, as_once, kind):
    session = visit(kind)
    column = VISITORS.index(kind)
    wrong = []
    for line in lines():
        with as_once():
            got = answer(session, world, line, line.method)
        if got != line.expected[column]:
            wrong.append(f"{line}: {got}, expected {line.expected[column]}")

    assert wrong == []


@pytest.mark.parametrize("kind", VISITORS)
def test_post_without_a_line_changes_nothing(world, as_once, kind):
    session = visit(kind)
    writing = {(line.route, line.variant) for line in lines() if line.method == "POST"}
    wrong = []
    for line in lines():
        if (line.route, line.variant) in writing:
            continue
        with as_once(), CaptureQueriesContext(connection) as captured:
            answer(session, world, line, "POST")
        wrong += [
            f"{line}: {query['sql'][:200]}"
            for query in captured
            if re.match(r"INSERT|UPDATE|DELETE", query["sql"])
            and "django_session" not in query["sql"]
        ]

    assert wrong == []


def test_matrix_would_notice_a_new_address():
    assert "/admin/posts/post/<post_id>/act/<action>/" in set(routes())
    assert "/posts/<slug>/" in set(routes())
