"""Private files in an S3-compatible store; imported where PRIVATE_STORAGE_URL names one: boto3 is heavy."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

MEGABYTE = 1024 * 1024
SERVERS_OWN_FAULT = 500


class PrivateS3Storage(S3Storage):
    """Files without any address: only a view that checks who asks gives them out.

    Everything is set here or in PRIVATE_STORAGE_URL: no AWS_… variable of the machine has a say. No ACL is
    sent, so that a file is as private as its bucket, whose owner alone may read.
    """

    access_key = secret_key = security_token = session_profile = None
    default_acl = None
    file_overwrite = False
    object_parameters: dict[str, Any] = {}
    querystring_auth = True
    custom_domain = cloudfront_key_id = cloudfront_key = None
    gzip = False
    max_memory_size = MEGABYTE  # beyond, a file being read waits on the disk
    transfer_config = TransferConfig(use_threads=False)
    client_config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 3, "mode": "standard"},
        # Many compatible stores know nothing of Amazon's newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )

    def refusal(self) -> str:
        """Why the store would keep nothing for us, in French and without its secret; empty when it would.

        Asks for one name of our folder. Raises OSError when nobody answers.
        """
        try:
            self.connection.meta.client.list_objects_v2(
                Bucket=self.bucket_name, Prefix=self.location, MaxKeys=1
            )
        except ClientError as refused:
            status = refused.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= SERVERS_OWN_FAULT:
                raise OSError(str(status)) from refused
            code = refused.response["Error"].get("Code", "")
            if code == "NoSuchBucket":
                return f"il n'y a pas de compartiment (bucket) « {self.bucket_name} »."
            return f"le stockage refuse de montrer le compartiment « {self.bucket_name} » ({code or status})."
        except BotoCoreError as error:
            raise OSError(type(error).__name__) from error
        return ""

    def url(self, name: str | None, *args: Any, **kwargs: Any) -> str:
        raise ValueError("This file is not accessible via a URL.")
