"""Every address of the console; all but the login, `livez` and `metrics` need a login."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from monitoring.console import (
    account_pages,
    alarm_pages,
    correction_pages,
    decision_pages,
    documents,
    figures,
    model_pages,
    prediction_pages,
    retraining_pages,
    transportability_pages,
)

urlpatterns = [
    path("", model_pages.all_models, name="models"),
    path("models/<slug:name>/", model_pages.one_model, name="model"),
    path("models/<slug:name>/decisions/", decision_pages.all_decisions, name="decisions"),
    path("models/<slug:name>/decisions/sign", decision_pages.sign_decision, name="sign-decision"),
    path("models/<slug:name>/corrections/", correction_pages.all_affected, name="corrections"),
    path(
        "models/<slug:name>/corrections/acknowledge",
        correction_pages.acknowledge,
        name="acknowledge-corrections",
    ),
    path(
        "models/<slug:name>/transportability/",
        transportability_pages.page,
        name="transportability",
    ),
    path(
        "models/<slug:name>/transportability.json",
        transportability_pages.as_json,
        name="transportability-json",
    ),
    path("models/<slug:name>/retraining/", retraining_pages.all_requests, name="retraining"),
    path(
        "models/<slug:name>/retraining/<int:request_id>/sign",
        retraining_pages.sign_request,
        name="sign-retraining",
    ),
    path("models/<slug:name>/<str:version>/card/", documents.card_page, name="card"),
    path("models/<slug:name>/<str:version>/card/file", documents.card_file, name="card-file"),
    path(
        "models/<slug:name>/<str:version>/reports/<int:year>/", documents.report_page, name="report"
    ),
    path(
        "models/<slug:name>/<str:version>/reports/<int:year>/file",
        documents.report_file,
        name="report-file",
    ),
    path("alarms/<int:alarm_id>/", alarm_pages.one_alarm, name="alarm"),
    path("alarms/<int:alarm_id>/review", alarm_pages.sign_review, name="review"),
    path("predictions/", prediction_pages.find_prediction, name="find-prediction"),
    path("predictions/<uuid:prediction_id>/", prediction_pages.one_prediction, name="prediction"),
    path("account/second-factor/", account_pages.second_factor, name="second-factor"),
    path("login/", account_pages.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("metrics", figures.metrics, name="metrics"),
    path("livez", account_pages.alive, name="livez"),
]
